"""An agent, its service and the sentinel as real processes: what one writes the other reads, and hears of in time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from calling import KeptLog, Service, act

from quorate.lib import daemon
from quorate.lib.daemon import Command
from quorate.lib.host import RealHost
from quorate.lib.rc import ERR_GENERIC, NOT_RUNNING, SUCCESS

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SENTINEL = """
import sys
run, tests, path = sys.argv[1:]
sys.path.insert(0, tests)
from calling import Service
from quorate.lib.sentinel.daemon import main
sys.exit(main(["daemon"], {"service": Service}.__getitem__, "1", run=run, path=path))
"""
# A cluster that believes the instance to run, and writes down what it is told.
PROGRAMS = {
    "crm_node": "echo n1",
    "cibadmin": "/bin/cat {folder}/cib.xml",
    "crm_resource": 'echo "$@" >> {folder}/told',
}
CIB = """<cib><configuration><crm_config/><nodes><node id="1" uname="n1"/></nodes>
<resources><clone id="c"><primitive id="{instance}" class="ocf" provider="quorate" type="service"/></clone></resources>
</configuration><status><node_state id="1" uname="n1" in_ccm="true" crmd="online"><lrm id="1"><lrm_resources>
<lrm_resource id="{instance}" class="ocf" provider="quorate" type="service">
<lrm_rsc_op id="{instance}_last_0" operation_key="{instance}_start_0" operation="start" call-id="12" rc-code="0"
 op-status="0" interval="0" last-rc-change="1700000000"/>
</lrm_resource></lrm_resources></lrm></node_state></status></cib>"""


class Real(Service):
    """With a program that is there."""

    def command(self) -> Command:
        return Command([sys.executable, "-c", SERVER, self.params.text("port")])


class Node:
    """This machine, with folders of its own for what a node has under /run and /var/log."""

    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        self.instance = f"test-{uuid.uuid4().hex}"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.given = {"owner": "me", "binary": sys.executable, "port": str(free.getsockname()[1])}
        self._sentinel: subprocess.Popen[bytes] | None = None
        self._cluster = folder / "cluster"
        self._cluster.mkdir()
        (self._cluster / "cib.xml").write_text(CIB.format(instance=self.instance))
        for name, line in PROGRAMS.items():
            program = self._cluster / name
            program.write_text(f"#!/bin/sh\n{line.format(folder=self._cluster)}\n")
            program.chmod(0o755)

    def act(self, action: str, **more: str) -> int:
        given = {**self.given, **more}
        return act(Real, RealHost(), action, given, instance=self.instance, log=KeptLog())[0]

    def told(self) -> list[str]:
        """What the cluster was told."""
        path = self._cluster / "told"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def failure(self) -> str:
        return f"--fail -r {self.instance} -N n1"

    @property
    def pid(self) -> int:
        return int((self.run / f"{self.instance}.pid").read_text().split()[0])

    def watch(self) -> None:
        argv = [sys.executable, "-c", SENTINEL, str(self.run), str(Path(__file__).parent), str(self._cluster)]
        self._sentinel = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_(self.answers)

    def answers(self) -> bool:
        try:
            return self.ask("ping") == "pong\n"
        except OSError:
            return False

    def leave(self, how: int) -> None:
        if self._sentinel is not None:
            self._sentinel.send_signal(how)
            self._sentinel.wait(10)
            self._sentinel = None

    def ask(self, request: str) -> str:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            link.connect(str(self.run / "sentinel.sock"))
            link.sendall(f"{request}\n".encode())
            return b"".join(iter(lambda: link.recv(65536), b"")).decode()

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("status"))
        return found

    def watched(self) -> dict[str, Any]:
        return {each["instance"]: each for each in self.status()["watched"]}


def await_(seen: Callable[[], object], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < until, "not seen in time"
        time.sleep(0.02)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    made = Node(tmp_path)
    monkeypatch.setattr(daemon, "RUN", str(made.run))
    monkeypatch.setattr(daemon, "LOGS", str(tmp_path / "log"))
    made.run.mkdir(mode=0o700)
    try:
        yield made
    finally:
        made.act("stop")
        made.leave(signal.SIGTERM)


def test_from_a_start_on_the_service_is_watched_and_a_planned_end_is_no_failure(node: Node) -> None:
    node.watch()
    assert node.ask("ping") == "pong\n"
    assert node.act("start") == SUCCESS
    seen = node.watched()[node.instance]
    assert (seen["agent"], seen["pid"], seen["state"]) == ("service", node.pid, "alive")
    # Asked as the record says: at this very port.
    await_(lambda: node.watched()[node.instance]["last_look"] is not None)
    assert node.watched()[node.instance]["state"] == "alive"
    for _ in range(5):
        assert node.act("stop") == SUCCESS
        assert node.watched() == {}
        assert node.act("start") == SUCCESS
    assert node.act("stop") == SUCCESS
    assert node.told() == []


def test_a_killed_service_is_seen_at_once_and_its_next_start_is_another_story(node: Node) -> None:
    node.watch()
    assert node.act("start") == SUCCESS
    first = node.pid
    os.kill(first, signal.SIGKILL)
    await_(node.told)
    await_(lambda: node.watched()[node.instance]["state"] == "failed")
    report = node.status()["reports"][-1]
    assert (report["instance"], report["why"], report["told"]) == (node.instance, "its process has ended", "told")
    # What Pacemaker would do next.
    assert node.act("monitor") in (NOT_RUNNING, ERR_GENERIC)
    assert node.act("stop") == SUCCESS
    assert node.act("start") == SUCCESS
    assert node.watched()[node.instance]["pid"] == node.pid != first
    assert node.watched()[node.instance]["state"] == "alive"
    assert node.told() == [node.failure]


def test_a_sentinel_that_comes_later_finds_what_runs_and_what_ended_meanwhile(node: Node) -> None:
    assert node.act("start") == SUCCESS
    node.watch()
    assert node.watched()[node.instance]["pid"] == node.pid
    node.leave(signal.SIGKILL)
    # Nobody answers, and no action minds.
    assert node.act("monitor") == SUCCESS
    os.kill(node.pid, signal.SIGKILL)
    node.watch()
    await_(node.told)
    assert node.told() == [node.failure]


def test_a_sentinel_that_hangs_holds_nobody_up_and_forgets_in_time(node: Node) -> None:
    node.watch()
    assert node.act("start") == SUCCESS
    assert node._sentinel is not None
    node._sentinel.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert node.act("stop") == SUCCESS
        assert time.monotonic() - began < 3
    finally:
        node._sentinel.send_signal(signal.SIGCONT)
    await_(lambda: node.watched() == {})
    # It saw the end late, of what was withdrawn meanwhile: that is not told.
    await_(lambda: not [each for each in node.status()["reports"] if each["told"] == "under way"])
    assert node.told() == []


def test_a_lost_folder_is_filled_again_by_the_next_monitor(node: Node) -> None:
    node.watch()
    assert node.act("start") == SUCCESS
    pid = node.pid
    for path in sorted(node.run.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    node.run.rmdir()
    await_(node.answers)
    assert node.act("monitor") == SUCCESS
    assert node.watched()[node.instance]["pid"] == pid == node.pid
    assert node.status()["reports"] == []
    assert node.told() == []
