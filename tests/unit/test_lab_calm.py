"""No false alarm: lengths, what is counted, and processors that are busy for no longer than they should be."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quorate.lab import calm, sentinels
from quorate.lab.calm import PHASES, Result, Settings
from quorate.lab.events import Event
from quorate.lab.health import Health, Instance
from quorate.lab.remote import ExecResult
from quorate.lib.problem import Failed

FULL = Settings()
RESULT = Result("planned", "200 planned stops and starts", 1999.6, (), 0, ("x",), (), 5000, 12)


def test_the_full_measurement_is_the_one_that_is_promised() -> None:
    assert (FULL.busy, FULL.pauses, FULL.planned, FULL.restarts) == (3600, 10, 200, 1)
    assert (FULL.shortest, FULL.longest) == (0.5, 3.0)
    assert FULL.kills * FULL.apart == 600
    assert FULL.scaled(1) == FULL


def test_a_short_one_does_everything_at_least_once() -> None:
    short = FULL.scaled(0.01)
    assert (short.busy, short.pauses, short.planned, short.restarts, short.kills) == (36.0, 1, 2, 1, 1)
    assert (short.apart, short.longest, short.rate) == (FULL.apart, FULL.longest, FULL.rate)
    assert FULL.scaled(2).planned == 400
    with pytest.raises(ValueError, match="0 times as long"):
        FULL.scaled(0)


def test_the_pauses_reach_from_the_shortest_to_the_longest() -> None:
    lengths = FULL.lengths()
    assert (len(lengths), lengths[0], lengths[-1]) == (10, 0.5, 3.0)
    assert lengths == sorted(set(lengths))
    assert replace(FULL, pauses=1).lengths() == [3.0]


def test_the_table_has_a_cell_for_each_heading() -> None:
    assert calm.rows([RESULT]) == [
        ["planned: 200 planned stops and starts", "33 min 20 s", "0", "1", "0", "5000", "12"]
    ]
    assert len(calm.rows([RESULT])[0]) == len(calm.HEADINGS)
    assert calm.duration(59.4) == "59 s"


STATE = """<cib><configuration/><status>
<node_state id="1" uname="n1"><transient_attributes id="1"><instance_attributes id="status-1">
  <nvpair id="a" name="fail-count-keystone#asyncmon_0" value="1"/>
  <nvpair id="b" name="last-failure-keystone#asyncmon_0" value="1790000000"/>
  <nvpair id="c" name="fail-count-sentinel#monitor_10000" value="3"/>
  <nvpair id="d" name="fail-count-web:1#start_0" value="INFINITY"/>
  <nvpair id="e" name="fail-count-galera#monitor_10000" value="0"/>
</instance_attributes></transient_attributes></node_state>
<node_state id="2" uname="n2"/>
</status></cib>"""


def test_fail_counts_are_read_from_the_status() -> None:
    assert calm.fail_counts(STATE, ["sentinel"]) == ("n1: keystone#asyncmon_0 1", "n1: web:1#start_0 INFINITY")
    assert "n1: sentinel#monitor_10000 3" in calm.fail_counts(STATE)
    assert calm.fail_counts("<cib><configuration/></cib>") == ()


def test_events_in_words_have_their_time() -> None:
    assert calm.words([Event(1790000000.0, "failed", "n2", "asyncmon of galera: error")]) == (
        "14:13:20 n2: asyncmon of galera: error",
    )


def test_a_daemon_that_was_replaced_counts_from_nothing() -> None:
    before = {"n1": (10, 3), "n2": (11, 1), "n3": (12, 0)}
    after = {"n1": (10, 4), "n2": (77, 2), "n3": (12, 0)}
    assert calm._more(before, after) == 3


# -- saturated processors --------------------------------------------------------------------------------------------


def test_idle_time_is_what_nobody_used_and_what_waited_for_disks() -> None:
    before = "cpu  100 0 100 1000 50 0 0 0 0 0\ncpu0 1 1 1 1\n"
    after = "cpu  190 0 100 1008 52 0 0 0 7 0\ncpu0 9 9 9 9\n"
    assert calm.idle_share(before, after) == pytest.approx(0.1)
    assert calm.idle_share(before, before) == 0


def ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_busy_processes_are_busy_and_end_with_us() -> None:
    with calm.saturated(60, cores=2) as pids:
        until = time.monotonic() + 30
        while not all(ticks(pid) > 5 for pid in pids):
            assert time.monotonic() < until, "they do not use the processor"
            time.sleep(0.05)
        assert len(set(pids)) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_busy_processes_end_after_a_failure_too() -> None:
    seen: list[int] = []

    def fail() -> None:
        with calm.saturated(60, cores=1) as pids:
            seen.extend(pids)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen
    assert not Path(f"/proc/{seen[0]}").exists()


def test_busy_processes_end_by_themselves_when_nobody_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calm, "_LOOP", calm._LOOP.replace("int(sys.argv[1])", "1"))
    with calm.saturated(60, cores=1) as (pid,):
        until = time.monotonic() + 30
        while "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
            assert time.monotonic() < until, "the alarm does not end it"
            time.sleep(0.05)


def test_processors_that_were_idle_make_it_void(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calm, "idle_share", lambda before, after: 0.4)
    lab: Any = None
    with pytest.raises(Failed, match="idle for 40%"):
        calm._busy(lab, replace(FULL, busy=0.01), calm.Progress())


# -- planned stops and starts -----------------------------------------------------------------------------------------


class Double:
    """A lab that does what it is told at once, unless it is *stuck*."""

    nodes = ("n1", "n2", "n3")

    def __init__(self, stuck: bool = False) -> None:
        self.stuck = stuck
        self.banned: set[tuple[str, str]] = set()
        self.stopped: list[tuple[str, str]] = []

    def running(self) -> tuple[str, ...]:
        return self.nodes

    def clones(self) -> dict[str, int]:
        return {"galera-clone": 0, "haproxy-clone": 0, "sentinel-clone": 0}

    def exec(self, node: str, argv: list[str], *, timeout: float) -> ExecResult:
        assert (argv[0], argv[2], argv[4]) == ("crm_resource", "--resource", "--node")
        where = (argv[3], argv[5])
        if argv[1] == "--ban":
            self.banned.add(where)
            self.stopped.append(where)
        else:
            assert argv[1] == "--clear"
            self.banned.discard(where)
        return ExecResult(0, "", "")

    def health(self) -> Health:
        there = [
            Instance(clone.removesuffix("-clone"), clone, node, "Started", False, False, "")
            for clone in self.clones()
            for node in self.nodes
            if self.stuck or (clone, node) not in self.banned
        ]
        return Health("n1", True, (), tuple(there), ())

    def wait_healthy(self, deadline: float) -> float:
        assert not self.banned
        return 0.0


def test_everything_but_the_sentinel_is_stopped_in_turn_and_started_again() -> None:
    lab: Any = Double()
    calm._planned(lab, replace(FULL, planned=40), calm.Progress())
    assert [clone for clone, _ in lab.stopped] == ["galera-clone", "haproxy-clone"] * 20
    assert {node for _, node in lab.stopped} == set(lab.nodes)
    assert not lab.banned


def test_a_ban_is_taken_back_when_nothing_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calm.operations.await_state, "__defaults__", (0.05,))
    lab: Any = Double(stuck=True)
    with pytest.raises(Failed, match="galera-clone gone from n2"):
        calm.stop_and_start(lab, "galera-clone", "n2")
    assert not lab.banned


# -- phases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sentinel", [True, False])
def test_without_a_sentinel_there_is_none_to_kill(monkeypatch: pytest.MonkeyPatch, sentinel: bool) -> None:
    monkeypatch.setattr(sentinels, "runs_in", lambda lab: sentinel)
    monkeypatch.setattr(
        calm, "_measure", lambda lab, phase, settings, progress, watched: replace(RESULT, phase=phase.name)
    )
    told: list[Result] = []
    lab: Any = None
    results = calm.measure(lab, FULL.scaled(0.01), done=told.append)
    assert told == results
    names = [phase.name for phase in PHASES]
    assert names[-1] == "sentinel killed"
    assert [one.phase for one in results] == (names if sentinel else names[:-1])
