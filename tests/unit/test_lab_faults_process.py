"""Signals to real processes, by the script that runs on a node: which were hit, and when."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from quorate.lab.fault import NotInjected
from quorate.lab.faults import daemons, mending
from quorate.lab.faults.process import Processes, Signal, Strike
from quorate.lab.remote import ExecResult
from quorate.lib.problem import Failed

NAME = f"qrt{os.getpid()}"
"""A command name that nothing else on this machine has."""
OURS = Processes("", (NAME,))


class Here:
    """A lab whose nodes are all this machine."""

    nodes = ("n1", "n2", "n3")

    def clones(self) -> dict[str, int]:
        return {"galera-clone": 0}

    def exec(self, node: str, argv: Sequence[str], *, timeout: float, stdin: str = "") -> ExecResult:
        done = subprocess.run(
            [sys.executable, *argv[1:]], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode:
            raise Failed(done.stderr)
        return ExecResult(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def sleepers(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Three processes called NAME. A zombie counts as gone, so that nobody has to wait for them meanwhile."""
    program = shutil.copy("/bin/sleep", tmp_path / NAME)
    started = [subprocess.Popen([program, "60"]) for _ in range(3)]
    until = time.monotonic() + 10
    while len(OURS.find(Here(), "n1")) < len(started):  # type: ignore[arg-type]
        assert time.monotonic() < until
        time.sleep(0.01)
    yield started
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("signal", ["KILL", "TERM", "STOP"])
def test_a_strike_tells_whom_it_hit_and_when(sleepers: list[subprocess.Popen[bytes]], signal: str) -> None:
    began = time.time()
    strike = OURS.strike(Here(), "n1", signal)  # type: ignore[arg-type]
    assert {pid for pid, _ in strike.hit} == {process.pid for process in sleepers}
    assert all(start > 0 for _, start in strike.hit)
    assert began <= strike.sent <= strike.over <= time.time()
    if signal == "STOP":
        assert {pid for pid, _ in OURS.find(Here(), "n1")} == {process.pid for process in sleepers}  # type: ignore[arg-type]
        OURS.let_go(Here(), "n1")  # type: ignore[arg-type]
    else:
        assert {process.wait(10) for process in sleepers} == {-9 if signal == "KILL" else -15}


def test_what_takes_its_time_to_end_is_over_later_than_it_was_sent(tmp_path: Path) -> None:
    """The process ends half a second after SIGTERM: between the two moments."""
    program = shutil.copy(os.path.realpath(sys.executable), tmp_path / NAME)
    code = "import signal, sys, time; signal.signal(15, lambda *_: (time.sleep(0.5), sys.exit())); print(flush=True)"
    late = subprocess.Popen([program, "-c", f"{code}; time.sleep(60)"], stdout=subprocess.PIPE)
    try:
        assert late.stdout is not None
        assert late.stdout.readline() == b"\n"
        strike = OURS.strike(Here(), "n1", "TERM")  # type: ignore[arg-type]
    finally:
        late.kill()
        late.communicate()
    assert [pid for pid, _ in strike.hit] == [late.pid]
    assert 0.4 < strike.over - strike.sent < 5


def test_nobody_there_is_void() -> None:
    with pytest.raises(NotInjected, match="there is no process"):
        OURS.strike(Here(), "n1", "KILL")  # type: ignore[arg-type]


def test_the_moments_are_facts_of_the_fault_by_node(monkeypatch: pytest.MonkeyPatch) -> None:
    struck = {"n1": Strike(((11, 5),), 100.0, 100.5), "n2": Strike(((21, 6), (22, 7)), 101.0, 101.5)}
    monkeypatch.setattr(Processes, "strike", lambda _, lab, node, signal, again=0.3: struck[node])
    monkeypatch.setattr(mending, "choose", lambda lab, chance, count: ("n1", "n2")[: count or 2])
    with Signal("KILL", "galera", 2).inject(Here(), random.Random(1)) as seen:  # type: ignore[arg-type]
        assert seen.facts == {
            "pids": {"n1": [11], "n2": [21, 22]},
            "sent": {"n1": 100.0, "n2": 101.0},
            "over": {"n1": 100.5, "n2": 101.5},
        }
        assert seen.words == "SIGKILL to galera, all seen gone: n1: 1 processes; n2: 2 processes"

    monkeypatch.setattr(mending, "boot", lambda lab, node: ("running", "today"))
    monkeypatch.setattr(mending, "is_off", lambda lab, node: False)
    monkeypatch.setattr(daemons, "_stack", lambda lab, node: None)
    with daemons.KillDaemon("pacemaker-execd").inject(Here(), random.Random(1)) as seen:  # type: ignore[arg-type]
        assert seen.facts == {"pid": 11, "sent": {"n1": 100.0}, "over": {"n1": 100.5}}


def test_a_machine_that_went_down_with_its_daemon_tells_no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    boots = iter([("running", "today"), ("exited", "today"), ("exited", "today")])

    def strike(*_: object, again: float) -> Strike:
        raise Failed("n1 does not answer")

    monkeypatch.setattr(Processes, "strike", strike)
    monkeypatch.setattr(mending, "boot", lambda lab, node: next(boots))
    monkeypatch.setattr(mending, "power_on_if_off", lambda lab, node: None)
    monkeypatch.setattr(daemons, "_stack", lambda lab, node: None)
    with daemons.KillDaemon("corosync").inject(Here(), random.Random(1)) as seen:  # type: ignore[arg-type]
        assert seen.facts == {"pid": 0}
