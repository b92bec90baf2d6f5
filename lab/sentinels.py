"""The sentinel in a running lab: what each node's daemon says, and a lab that has it for the length of a ``with``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lxml import etree

from quorate.cib.build import build
from quorate.cib.render_xml import render_cib
from quorate.lab import layout, paths, record, whole
from quorate.lab.faults import mending
from quorate.lab.health import clones_of
from quorate.lab.progress import Progress
from quorate.lab.services import SERVICES
from quorate.lib.problem import Failed, Problem

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

TOPOLOGY = paths.LAB / "topologies" / "sentinel.yaml"
PROGRAM = "/usr/sbin/quorate-sentinel"
RESOURCE = "sentinel"
CLONE = f"{RESOURCE}-clone"
ALIVE = "alive"

_WATCHING = 120.0
"""Seconds that the daemons get to run and to watch everything."""
_GONE = 120.0
_WHOLE = 240.0
_LOOK = 0.5
_BEFORE_COUNTING = 10.0
"""Seconds after a change of the CIB in which Pacemaker still probes and arranges its monitors anew."""


# -- what a daemon says ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watch:
    """One instance that a daemon watches. *agent* is empty for another provider's; *last_look* is seconds ago."""

    instance: str
    agent: str
    pid: int
    state: str
    misses: int
    seen: str
    last_look: float | None
    reports: int


@dataclass(frozen=True)
class Told:
    """One report of a daemon, at *at* (wall clock): *why*, and what became of it."""

    at: float
    instance: str
    why: str
    told: str


@dataclass(frozen=True)
class Status:
    """What one node's daemon says: since when it runs (wall clock), how often it was late, how much it reported."""

    node: str
    pid: int
    since: float
    late: int
    watched: tuple[Watch, ...]
    reports: tuple[Told, ...]
    reported: int

    def of(self, instance: str) -> Watch | None:
        """What it says of *instance*; None when it does not watch it."""
        return next((watch for watch in self.watched if watch.instance == instance), None)


def parse_status(text: str) -> Status:
    """The :class:`Status` in the JSON that ``quorate-sentinel status --json`` prints. Raises :class:`Failed`."""
    try:
        said = json.loads(text)
        return Status(
            str(said["node"]),
            int(said["pid"]),
            float(said["since"]),
            int(said["late"]),
            tuple(_watch(each) for each in said["watched"]),
            tuple(
                Told(float(one["at"]), str(one["instance"]), str(one["why"]), str(one["told"]))
                for one in said["reports"]
            ),
            int(said["reported"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        said = " ".join(text.split())[:120] or "nothing"
        raise Failed(f"not the status of a sentinel ({type(error).__name__}: {error}): {said}") from None


def _watch(said: dict[str, Any]) -> Watch:
    look = said["last_look"]
    return Watch(
        str(said["instance"]),
        str(said["agent"]),
        int(said["pid"]),
        str(said["state"]),
        int(said["misses"]),
        str(said["seen"]),
        None if look is None else float(look),
        int(said["reports"]),
    )


def status(lab: Lab, node: str, timeout: float = 10.0) -> Status:
    """What the daemon of *node* says within *timeout* seconds. Raises :class:`Failed` when there is none."""
    told = lab.exec(node, [PROGRAM, "status", "--json"], timeout=timeout, check=False)
    if told.rc:
        said = (told.err.strip() or told.out.strip())[-300:] or f"ended with {told.rc}"
        raise Failed(f"node {node}: the sentinel does not tell its status: {said}")
    try:
        return parse_status(told.out)
    except Failed as failure:
        raise Failed(f"node {node}: {failure}") from None


def unwatched(seen: Status, instances: Sequence[str]) -> list[str]:
    """Which of *instances* this daemon does not watch as alive, one phrase each."""
    found = []
    for instance in instances:
        watch = seen.of(instance)
        if watch is None:
            found.append(f"node {seen.node}: the sentinel does not watch {instance}")
        elif watch.state != ALIVE:
            found.append(f"node {seen.node}: to the sentinel {instance} is {watch.state}{_because(watch.seen)}")
    return found


def _because(seen: str) -> str:
    return f" ({seen})" if seen else ""


def wanting(lab: Lab, nodes: Sequence[str] = (), instances: Sequence[str] = ()) -> tuple[str, ...]:
    """What keeps the daemons of *nodes* (default: all) from watching *instances* (default: every service there is)."""
    names = tuple(instances) or tuple(service.name for service in SERVICES if service.clone in lab.clones())
    found: list[str] = []
    for node in nodes or lab.nodes:
        try:
            found += unwatched(status(lab, node), names)
        except Failed as failure:
            found.append(str(failure))
    return tuple(found)


def await_watching(
    lab: Lab, nodes: Sequence[str] = (), instances: Sequence[str] = (), patience: float = _WATCHING
) -> None:
    """Until nothing is :func:`wanting`. Raises :class:`Failed` after *patience* seconds."""
    _await(lambda: wanting(lab, nodes, instances), patience)


def await_status(lab: Lab, node: str, patience: float = _WATCHING) -> Status:
    """The status of the daemon of *node*, once it tells one. Raises :class:`Failed` after *patience* seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            return status(lab, node)
        except Failed:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK)


def kill(lab: Lab, node: str) -> int:
    """kill -9 of the daemon of *node*, once it tells its pid; the pid, which is seen gone. Raises :class:`Failed`."""
    pid = await_status(lab, node).pid
    lab.exec(node, ["kill", "-KILL", str(pid)], timeout=10)
    # One that nobody has waited for yet is gone too.
    gone = ["sh", "-c", f"! grep -qs '^State:.[^ZX]' /proc/{pid}/status"]
    mending.await_seen(
        f"node {node}: the sentinel (pid {pid}) gone", lambda: not lab.exec(node, gone, timeout=10, check=False).rc, 10
    )
    return pid


def _await(missing: Callable[[], Sequence[str]], patience: float) -> None:
    until = time.monotonic() + patience
    while left := missing():
        if time.monotonic() > until:
            raise Failed(f"not within {patience:.0f} s: {'; '.join(left)}")
        time.sleep(_LOOK)


# -- a lab that has it -----------------------------------------------------------------------------------------------


def runs_in(lab: Lab) -> bool:
    """Whether the loaded CIB has the sentinel."""
    return CLONE in lab.clones()


def conflicts(held: str, wanted: str) -> list[str]:
    """Resources that the CIB *wanted* would run by another agent than *held* does, or not at all: one phrase each."""
    ours, theirs = _agents(wanted), _agents(held)
    return [
        f"{name} is run by {agent}, {'not by ' + ours[name] if name in ours else 'which it does not have'}"
        for name, agent in theirs.items()
        if ours.get(name) != agent
    ]


def _agents(xml: str) -> dict[str, str]:
    """The agent of each resource in the CIB *xml*."""
    found = etree.fromstring(xml.encode()).iterfind("configuration/resources//primitive")
    return {
        each.get("id") or "": ":".join(filter(None, (each.get(key) for key in ("class", "provider", "type"))))
        for each in found
    }


def cib_xml(lab: Lab) -> str:
    """The CIB of the sentinel's topology, with this lab's addresses."""
    return render_cib(build(layout.read_topology(TOPOLOGY, lab.layout.subnet)))


@contextmanager
def loaded(lab: Lab, progress: Progress | None = None) -> Iterator[None]:
    """The sentinel runs and watches every service within; on leaving, the former configuration is loaded again.

    No service is restarted for it. A lab that has the sentinel anyhow keeps it. Raises :class:`Problem` and changes
    nothing when the lab's services are run by other agents than ours, or its nodes do not have the program yet.
    """
    progress = progress or Progress()
    former = lab.cib()
    if CLONE in clones_of(former):
        await_watching(lab)
        yield
        return
    wanted = cib_xml(lab)
    if other := conflicts(former, wanted):
        raise Problem(f"the lab {lab.name!r} cannot be given the sentinel's topology: {'; '.join(other)}")
    for node in lab.nodes:
        if lab.exec(node, ["test", "-x", PROGRAM], timeout=10, check=False).rc:
            raise Problem(f"node {node} has no {PROGRAM}: run `quorate lab up --name {lab.name}`")
    with mending.healed_by(partial(_restore, lab, former)):
        with progress.step("loading the CIB with the sentinel"):
            lab.load_cib(wanted)
            lab.wait_healthy(_WHOLE)
            await_watching(lab, patience=_WATCHING)
            time.sleep(_BEFORE_COUNTING)
        yield


def _restore(lab: Lab, former: str) -> None:
    """The configuration of *former*, no daemon, and no failure that a measurement left."""
    # While the sentinel's failures still have a resource that they belong to.
    mending.again(lab.cleanup)
    mending.again(partial(lab.load_cib, former))
    _await(partial(_left, lab), _GONE)
    mending.again(lab.cleanup)
    lab.wait_healthy(_WHOLE)


def _left(lab: Lab) -> tuple[str, ...]:
    """Where anything of the sentinel is still there: as an orphan it is in no clone any more."""
    try:
        where = {each.node for each in lab.health().instances if each.resource == RESOURCE and each.node}
    except Failed as failure:
        return (str(failure),)
    return tuple(f"the sentinel is still on {node}" for node in sorted(where))


@contextmanager
def measuring(lab: Lab, sentinel: bool, progress: Progress) -> Iterator[None]:
    """The lab is whole and nobody else's within; with *sentinel* it is given one (:func:`loaded`).

    Raises :class:`Failed` when somebody is hurting the lab already, or it does not become whole.
    """
    with record.locked(lab.name, "chaos.lock", "being hurt"):
        with progress.step("waiting until the lab is whole"):
            whole.wait_whole(lab)
        with loaded(lab, progress) if sentinel else nullcontext():
            yield
