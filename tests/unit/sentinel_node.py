"""A node for the sentinel's tests: a folder, fake cluster programs that note their calls, and real children."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from quorate.lib.agent import Agent
from quorate.lib.daemon import Daemon
from quorate.lib.deadline import Deadline
from quorate.lib.declare import Parameter
from quorate.lib.host import RealHost
from quorate.lib.probe import ProbeError, http_status
from quorate.lib.process import look
from quorate.lib.sentinel.records import Watched

ROOT = Path(__file__).parents[2]


class Glanced(Daemon):
    """What the sentinel asks of an agent: an HTTP exchange, or with port 0 nothing."""

    name = "glanced"
    parameters = (
        Parameter("port", "integer", "0", shortdesc="Port"),
        Parameter("probe_timeout", "time", "2s", shortdesc="Patience"),
        Parameter("raises", "boolean", "false", shortdesc="Whether the agent is broken"),
        Parameter("excused", "boolean", "false", shortdesc="Whether silence is the backend's fault"),
    )

    def glance(self, deadline: Deadline) -> str:
        if self.params.flag("raises"):
            raise RuntimeError("broken agent")
        if not self.params.number("port"):
            return ""
        try:
            status = http_status(self.host, ("127.0.0.1", self.params.number("port")), "/", deadline)
        except ProbeError as error:
            return "" if error.silent and self.params.flag("excused") else error.seen
        return "" if status == 200 else f"answered {status}"


def load(name: str) -> type[Agent]:
    return {"glanced": Glanced}[name]


def operation(name: str, call: int, rc: int = 0, interval: int = 0, status: int = 0, changed: int = 1000) -> str:
    """One entry of a resource's history, as Pacemaker 2.1.5 writes it."""
    key = f"{name}_{interval}" if interval else "last_0"
    magic = f"{status}:{rc};5:2:0:b1"
    return (
        f'<lrm_rsc_op id="R_{key}" operation_key="R_{name}_{interval}" operation="{name}" '
        f'crm-debug-origin="do_update_resource" crm_feature_set="3.16.2" transition-key="5:2:0:b1" '
        f'transition-magic="{magic}" exit-reason="" on_node="n1" call-id="{call}" rc-code="{rc}" op-status="{status}" '
        f'interval="{interval}" last-rc-change="{changed}" exec-time="20" queue-time="0" op-digest="f2317c"/>'
    )


STARTED = operation("start", 12) + operation("monitor", 14, interval=10000)


def cib(
    *histories: tuple[str, str],
    properties: str = "",
    meta: str = "",
    clone_meta: str = "",
    defaults: str = "",
    node: str = "",
    transient: str = "",
) -> str:
    """A CIB of two nodes, each of *histories* (resource, operations) an anonymous clone's on n1.

    The other arguments are the inside of the sets of the same meaning, '' for none.
    """

    def box(tag: str, name: str, inside: str) -> str:
        pairs = "".join(
            f'<nvpair id="{name}-{pair.split("=")[0]}" name="{pair.split("=")[0]}" value="{pair.split("=")[1]}"/>'
            for pair in inside.split()
        )
        return f'<{tag} id="{name}">{pairs}</{tag}>' if inside else ""

    clones = "".join(
        f'<clone id="cl-{name}">{box("meta_attributes", f"cl-{name}-meta", clone_meta)}'
        f'<primitive id="{name}" class="ocf" provider="quorate" type="keystone">'
        f"{box('meta_attributes', f'{name}-meta', meta)}"
        f'<operations><op id="{name}-monitor-10" name="monitor" interval="10s"/></operations></primitive></clone>'
        for name in dict.fromkeys(name.partition(":")[0] for name, _ in histories)
    )
    history = "".join(
        f'<lrm_resource id="{name}" type="keystone" class="ocf" provider="quorate">{operations}</lrm_resource>'
        for name, operations in histories
    )
    return (
        '<cib crm_feature_set="3.16.2" validate-with="pacemaker-3.9" epoch="9" num_updates="4" admin_epoch="0" '
        f'have-quorum="1" dc-uuid="1"><configuration><crm_config>'
        f"{box('cluster_property_set', 'cib-bootstrap-options', 'have-watchdog=false ' + properties)}</crm_config>"
        f'<nodes><node id="1" uname="n1">{box("instance_attributes", "nodes-1", node)}</node>'
        f'<node id="2" uname="n2"/></nodes><resources>{clones}</resources><constraints/>'
        f"<rsc_defaults>{box('meta_attributes', 'rsc-options', defaults)}</rsc_defaults></configuration><status>"
        '<node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="2">'
        f'<lrm_resources/></lrm></node_state><node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" '
        f'expected="member"><lrm id="1"><lrm_resources>{history}</lrm_resources></lrm>'
        f"<transient_attributes id='1'>{box('instance_attributes', 'status-1', transient)}</transient_attributes>"
        "</node_state></status></cib>"
    )


def until(true: Callable[[], object], seconds: float = 10.0, what: str = "") -> None:
    """Wait for *true*; raises AssertionError at the deadline."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s: {what or true}"
        time.sleep(0.005)


class Node:
    """The daemon's surroundings. ``close`` ends whatever was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.records = self.run / "sentinel"
        self.socket = self.run / "sentinel.sock"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.told_file = folder / "told"
        self.asked_file = folder / "asked"
        self.log = folder / "log"
        self.cib_file = folder / "cib.xml"
        for path in (self.told_file, self.asked_file, self.log):
            path.touch()
        self.program("crm_node", "echo n1")
        self.program("cibadmin", f"echo >> {self.asked_file}; exec /bin/cat {self.cib_file}")
        self.program("crm_resource", f'read up rest < /proc/uptime; echo "$up $*" >> {self.told_file}')
        self.children: list[subprocess.Popen[bytes]] = []
        self.daemon: subprocess.Popen[bytes] | None = None
        self.host = RealHost()

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        new = path.with_suffix(".new")
        new.write_text(f"#!/bin/sh\n{script}\n")
        new.chmod(0o755)
        # Never written in place: somebody may be executing it.
        new.rename(path)

    def cluster(self, *names: str, operations: str = STARTED, **settings: str) -> None:
        """What the CIB says from now on: each of *names* runs here."""
        new = self.cib_file.with_suffix(".new")
        new.write_text(cib(*[(name, operations) for name in names], **settings))
        new.rename(self.cib_file)

    def start(self, *options: str, wait: bool = True) -> subprocess.Popen[bytes]:
        code = (
            f"import sys; sys.path[:0] = [{str(ROOT / '.src')!r}, {str(ROOT / 'tests' / 'unit')!r}]\n"
            "from quorate.lib.sentinel.daemon import main\n"
            "def load(name):\n"
            "    from sentinel_node import load\n"
            "    return load(name)\n"
            f"sys.exit(main(sys.argv[1:], load, '1.0', run={str(self.run)!r}, path={str(self.bin)!r}))\n"
        )
        daemon = subprocess.Popen(
            [sys.executable, "-IS", "-c", code, "daemon", *options],
            env={"HA_logfile": str(self.log), "PATH": "/usr/bin:/bin"},
        )
        self.children.append(daemon)
        self.daemon = daemon
        if wait:
            until(lambda: daemon.poll() is not None or self.ask("ping") == "pong\n", what="the daemon's pong")
        return daemon

    def child(self, *argv: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(argv or ("/bin/sleep", "600"))
        self.children.append(child)
        return child

    def key(self, instance: str, pid: int) -> tuple[str, int, int]:
        process = look(self.host, pid)
        assert process is not None
        return instance, pid, process.start

    def register(self, instance: str, pid: int, *, tell: bool = True, start: int = 0, **parameters: str) -> None:
        """What an agent does after a start."""
        self.records.mkdir(parents=True, exist_ok=True)
        for folder in (self.run, self.records):
            folder.chmod(0o700)
        record = Watched(instance, "glanced", pid, start or self.key(instance, pid)[2], parameters)
        self.host.files.write(f"{self.records}/{instance}", record.encode())
        if tell:
            assert self.ask(f"watch {instance}") == "ok\n"

    def withdraw(self, instance: str) -> None:
        self.host.files.remove(f"{self.records}/{instance}")
        assert self.ask(f"forget {instance}") == "ok\n"

    def ask(self, request: str) -> str:
        """What the daemon answers; empty if it does not."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(3)
                connection.connect(str(self.socket))
                connection.sendall(request.encode() + b"\n")
                answer = b""
                while chunk := connection.recv(65536):
                    answer += chunk
                return answer.decode()
        except OSError:
            return ""

    def status(self) -> dict:  # type: ignore[type-arg]
        document = json.loads(self.ask("status"))
        assert isinstance(document, dict)
        return document

    def state(self, instance: str) -> str:
        return next((each["state"] for each in self.status()["watched"] if each["instance"] == instance), "withdrawn")

    def told(self) -> list[str]:
        """What crm_resource was called with, one entry for each call."""
        return [line.partition(" ")[2] for line in self.told_file.read_text().splitlines()]

    def asked(self) -> int:
        """How often the CIB was asked for."""
        return len(self.asked_file.read_text().splitlines())

    def logged(self, text: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if text in line]

    def close(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.wait()
