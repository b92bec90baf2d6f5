"""The chaos runner on the real lab: a representative set of scenarios, and the runner's own misfortunes."""

from __future__ import annotations

import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
from click.testing import CliRunner

from quorate.cli.main import quorate_command
from quorate.lab import engine, history, run, scenarios
from quorate.lab.checker import INVALID, UNKNOWN
from quorate.lab.cluster import Lab
from quorate.lab.fault import Injected
from quorate.lab.faults import firewall
from quorate.lab.faults.process import Signal
from quorate.lab.scenario import Scenario


def verdicts(folder: Path) -> dict[str, str]:
    report = json.loads((folder / "report.json").read_text())
    return {entry["name"]: entry["value"] for entry in report["entries"]}


@pytest.mark.timeout(2400)
def test_a_representative_set_of_scenarios(lab: Lab, tmp_path: Path) -> None:
    """Each runs to the verdict that it expects, and what it leaves is a report that can be read again."""
    folder = tmp_path / "out"
    result = CliRunner().invoke(
        quorate_command, ["chaos", "run", "--name", lab.name, "subset", "--report", str(folder)], standalone_mode=False
    )
    assert result.exception is None, result.output
    assert result.return_value == 0, result.output
    assert set(verdicts(folder)) == set(scenarios.SUBSET)
    for name in scenarios.SUBSET:
        seen = history.read_history(folder / name / "history.jsonl")
        assert len(seen.ops) > 100, name
        assert seen.mark(history.INJECTED) is not None, name
        assert list((folder / name / "logs").glob("*/*")), name
    page = (folder / "index.html").read_text()
    assert all(name in page for name in scenarios.SUBSET)
    assert not [secret for secret in lab.secrets.values() if secret in page]


# --- the runner's own misfortunes


def wait_for(path: Path, text: str, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not path.exists() or text not in path.read_text():
        assert time.monotonic() < until, f"{text!r} did not appear in {path}"
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_heals_and_reports(lab: Lab, tmp_path: Path, number: signal.Signals) -> None:
    """With a fault that only healing ends. A service that is stopped Pacemaker may have replaced at any moment."""
    folder, name = tmp_path / "out", "partition-bridge-tcp-25672"
    command = [str(Path(sys.executable).with_name("quorate"))]
    command += ["chaos", "run", "--name", lab.name, name, "--report", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(folder / name / "history.jsonl", '"name":"injected"')
        cut = firewall.left_over(lab)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert len(cut) == 2, "the fault was not there when the run was interrupted"
    assert process.returncode == 130, out
    assert firewall.left_over(lab) == ()
    assert verdicts(folder) == {name: UNKNOWN}
    assert name in (folder / "index.html").read_text()
    seen = history.read_history(folder / name / "history.jsonl")
    assert seen.mark(history.HEALED) is not None
    assert number.name in str([mark.detail for mark in seen.all(history.TROUBLE)])


class NeverBack:
    """A node whose power is cut, and whose switch does not answer until the run is over."""

    name = "never-back"
    about = "a node is off and nobody can fence it"

    def available(self, lab: Lab) -> str:
        return ""

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        gateway(lab).pause()
        lab.power_off("n3")
        yield Injected(("n3",), "n3 is off")


def gateway(lab: Lab) -> Any:
    return lab.client.containers.get(lab.layout.gateway_container)


def test_a_node_that_never_comes_back_ends_in_a_verdict(lab: Lab, tmp_path: Path) -> None:
    scenario = Scenario("never-back", "", NeverBack(), ("sql-set",), recovery=10)
    try:
        outcome = run.run(scenario, lab, tmp_path / "out")
    finally:
        gateway(lab).unpause()
        lab.power_on("n3")
        lab.wait_healthy(180)
    assert outcome.value == INVALID
    assert "n3" in outcome.trouble
    assert (tmp_path / "out" / "logs" / "n1").is_dir()


class Relay:
    """The engine's socket under another name: an engine that can be taken away without touching the real one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._target = (os.environ.get("DOCKER_HOST") or engine.DEFAULT_HOST).removeprefix("unix://")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(50)
        self._links: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            with self._lock:
                self._links += [client, server]
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as waiting:
            waiting.register(client, selectors.EVENT_READ, server)
            waiting.register(server, selectors.EVENT_READ, client)
            try:
                while waiting.get_map():
                    for key, _ in waiting.select():
                        source, target = key.fileobj, key.data
                        assert isinstance(source, socket.socket)
                        data = source.recv(65536)
                        if data:
                            target.sendall(data)
                        else:
                            waiting.unregister(source)
                            target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def end(self) -> None:
        """As an engine that stops: no connection survives, and none is accepted."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink()
        with self._lock:
            for link in self._links:
                try:
                    link.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class EngineGone:
    """kill -9 of galera, and then the engine goes away."""

    name = "engine-gone"
    about = "the engine ends in the middle of a run"

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def available(self, lab: Lab) -> str:
        return ""

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        with Signal("KILL", "galera").inject(lab, chance) as injected:
            self._relay.end()
            yield injected


def test_an_engine_that_goes_away_makes_the_result_unknown(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay(tmp_path / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{relay.path}")
    seen_through = Lab(lab.name, lab.topology, docker.DockerClient(base_url=f"unix://{relay.path}", timeout=20))
    scenario = Scenario("engine-gone", "", EngineGone(relay), ("sql-set",), recovery=20)
    began = time.monotonic()
    outcome = run.run(scenario, seen_through, tmp_path / "out")
    assert time.monotonic() - began < 120
    assert outcome.value == UNKNOWN
    assert outcome.trouble
