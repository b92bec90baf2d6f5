"""The drill: with a client on every service, kill each service on one node in turn, then cut that node's power.

What is measured is what the clients saw and how long Pacemaker took to have every instance healthy again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from quorate.lab import record
from quorate.lab.cluster import Lab
from quorate.lab.history import FAULT, INJECTED, OK, RECOVERED, HistoryLog, Op
from quorate.lab.progress import Progress
from quorate.lab.recorder import Recorder
from quorate.lab.workload import Place
from quorate.lab.workloads.probes import PROBES
from quorate.lib.problem import Failed

HISTORY = "drill.jsonl"
"""The file in the lab's folder in which the last drill's history is kept."""
WARM_UP = 20
"""Successful requests each client must have before the first fault: a drill without traffic proves nothing."""
RECOVERY = 300.0
"""Seconds until a cluster that is not healthy again has failed the drill."""
QUIET = 1.0
"""Seconds of traffic before each fault and after each recovery."""
LOOK = 1.0
"""Seconds between two looks at the cluster: each costs what several requests do."""
API_SERVICES = ("keystone", "nova-api", "dashboard")

# Run on the node, with the code that is installed there: the agents' own idea of which processes are the service's.
_KILL = """
import sys, time
sys.path.insert(0, "/usr/lib/ocf/lib")
from quorate.lib.daemon import RUN
from quorate.lib.host import RealHost
from quorate.lib.process import Record, members
host = RealHost()
record = Record.decode(host.files.read(f"{{RUN}}/{service}.pid"))
find = lambda: [p for p in members(host, "{service}", record) if p.comm != "epmd"]
killed = set()
# Until nothing is left: a main process that lives a moment longer than its worker starts another one, and a killed
# database takes and serves connections' bytes from its sockets until its last thread has ended.
while left := find():
    for process in left:
        host.kill(process.pid, 9)
        killed.add(process.pid)
    time.sleep(0.002)
print(len(killed))
"""


class Fault(Protocol):
    """Something that is done to one node."""

    @property
    def name(self) -> str: ...

    def inject(self, lab: Lab, node: str) -> None:
        """Do it, and see that it happened. Raises :class:`Failed` otherwise."""

    def identity(self, lab: Lab, node: str) -> str:
        """What is another one after the recovery: a process, or a boot of the node."""


@dataclass(frozen=True)
class KillService:
    """SIGKILL to every process of one service at once."""

    service: str

    @property
    def name(self) -> str:
        return f"kill -9 {self.service}"

    def inject(self, lab: Lab, node: str) -> None:
        script = _KILL.format(service=self.service)
        count = lab.exec(node, ["/usr/bin/python3", "-I", "-S", "-"], stdin=script, timeout=20).out.strip()
        if count in ("", "0"):
            raise Failed(f"node {node}: {self.name}: there was no process to kill")

    def identity(self, lab: Lab, node: str) -> str:
        return lab.exec(node, ["cat", f"/run/quorate/{self.service}.pid"], timeout=10, check=False).out.strip()


@dataclass(frozen=True)
class PowerOff:
    """The plug is pulled; fencing has to notice, and brings the node back."""

    name: str = "power off"

    def inject(self, lab: Lab, node: str) -> None:
        lab.power_off(node)

    def identity(self, lab: Lab, node: str) -> str:
        container = lab.container(node)
        return str(container.attrs["State"]["StartedAt"])


FAULTS: tuple[Fault, ...] = (
    KillService("keystone"),
    KillService("nova-api"),
    KillService("dashboard"),
    KillService("rabbitmq"),
    KillService("galera"),
    PowerOff(),
)


@dataclass(frozen=True)
class Seen:
    """What the clients of one service saw from the fault until a little after the recovery.

    *in_flight* of the *failed* requests had begun before the fault was complete. *gap* is the longest time (s)
    without a success, *rate* the requests per second that were made.
    """

    requests: int
    failed: int
    in_flight: int
    gap: float
    rate: float
    worst: str


@dataclass(frozen=True)
class Outcome:
    """One fault: *healthy* seconds from the fault until every instance was healthy again."""

    fault: str
    node: str
    healthy: float
    seen: dict[str, Seen]

    def broken(self) -> list[str]:
        """The drill's promises that this fault broke, in words."""
        if not self.fault.startswith("kill"):
            return []
        return [
            f"{self.fault} on {self.node}: {seen.failed - seen.in_flight} requests to {service} failed that began "
            f"after the kill ({seen.worst})"
            for service, seen in self.seen.items()
            if service in API_SERVICES and seen.failed > seen.in_flight
        ]


def summarize(ops: Sequence[Op], began: float, injected: float, ended: float) -> Seen:
    """What *ops* tell about the window from *began* to *ended*; the fault was complete at *injected*."""
    inside = [op for op in ops if op.ended >= began and op.began <= ended]
    failed = [op for op in inside if op.outcome != OK]
    good = sorted(op.ended for op in inside if op.outcome == OK)
    marks = [began, *good, ended]
    late = [op for op in failed if op.began > injected]
    return Seen(
        requests=len(inside),
        failed=len(failed),
        in_flight=len(failed) - len(late),
        gap=max(b - a for a, b in pairwise(marks)),
        rate=len(inside) / max(ended - began, 0.001),
        worst=_describe((late or failed)[0], injected) if failed else "",
    )


def _describe(op: Op, injected: float) -> str:
    return f"{op.node or 'no node'} at {op.began - injected:+.2f} s: {op.error}"


@contextmanager
def clients(lab: Lab, log: HistoryLog) -> Iterator[dict[str, Recorder]]:
    """A client per service, running against all nodes; they are stopped on leaving."""
    places = [Place(node, lab.address(node)) for node in lab.nodes]
    loads = [probe() for probe in PROBES]
    for load in loads:
        load.prepare(lab)
    recorders = {load.service: Recorder(log, load, places) for load in loads}
    try:
        for recorder in recorders.values():
            recorder.start()
        yield recorders
    finally:
        for recorder in recorders.values():
            recorder.halt()
        for recorder in recorders.values():
            recorder.stop()


def _warm_up(recorders: Mapping[str, Recorder], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while cold := {name: recorder for name, recorder in recorders.items() if recorder.good < WARM_UP}:
        if time.monotonic() > until:
            name, recorder = next(iter(cold.items()))
            why = recorder.last_error or "no request ended"
            raise Failed(f"the client of {name} has too little success to begin the drill: {why}")
        time.sleep(0.2)


def strike(lab: Lab, fault: Fault, node: str, log: HistoryLog, recorders: Mapping[str, Recorder]) -> Outcome:
    """Inject one fault and wait until all is healthy again. Raises :class:`Failed` when it does not become so."""
    before, clones = fault.identity(lab, node), lab.clones()
    time.sleep(QUIET)
    began = log.mark(FAULT, fault=fault.name)
    fault.inject(lab, node)
    injected = log.mark(INJECTED, nodes=[node])
    while missing := _unhealthy(lab, fault, node, before, clones):
        if log.now() - began > RECOVERY:
            raise Failed(f"{fault.name} on {node}: not healthy again after {RECOVERY:.0f} s: {missing}")
        time.sleep(LOOK)
    healthy = log.mark(RECOVERED) - began
    time.sleep(QUIET)
    ended = log.now()
    seen = {name: summarize(tuple(recorder.ops), began, injected, ended) for name, recorder in recorders.items()}
    return Outcome(fault.name, node, healthy, seen)


def _unhealthy(lab: Lab, fault: Fault, node: str, before: str, clones: Mapping[str, int]) -> str:
    """What keeps the cluster from being healthy after *fault*, or the empty string."""
    # The cheap question first: until there is a new instance, Pacemaker may not even have noticed.
    if fault.identity(lab, node) in ("", before):
        return "the service on it was not started anew"
    try:
        return "; ".join(lab.health().missing(lab.nodes, clones))
    except Failed as failure:
        return str(failure)


def run(lab: Lab, progress: Progress, node: str = "", faults: Sequence[Fault] = FAULTS) -> list[Outcome]:
    """The whole drill on *node* (default: the first, which the database's front end prefers).

    Raises :class:`Failed` when the lab does not become healthy, or is being hurt by somebody else.
    """
    with record.locked(lab.name, "chaos.lock", "being hurt"):
        return _run(lab, progress, node or lab.nodes[0], faults)


def _run(lab: Lab, progress: Progress, node: str, faults: Sequence[Fault]) -> list[Outcome]:
    with progress.step("waiting until everything is healthy"):
        lab.wait_healthy()
    outcomes = []
    header = {"drill": node, "nodes": list(lab.nodes), "lab": lab.name}
    with HistoryLog(lab.folder / HISTORY, header) as log, clients(lab, log) as recorders:
        with progress.step("clients on every service"):
            _warm_up(recorders)
        for fault in faults:
            with progress.step(f"{fault.name} on {node}"):
                outcomes.append(strike(lab, fault, node, log, recorders))
            # Failures that are over must not count towards the next one's threshold.
            lab.exec(lab.nodes[0], ["crm_resource", "--cleanup"], timeout=60, check=False)
    return outcomes
