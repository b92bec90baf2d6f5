"""What operators do to a cluster that works: a rolling restart, a resource moved, banned, cleaned up, restarted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lxml import etree

from quorate.lab.fault import Injected, NotInjected
from quorate.lab.faults import mending
from quorate.lab.services import SERVICES, service
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

_DONE = 120.0
"""Seconds that the cluster gets to do what it was told."""
_WHOLE = 180.0
"""Seconds that the cluster gets to be whole, before the next node is taken down."""
_LOOK = 0.5


def tell(lab: Lab, argv: list[str]) -> str:
    """Give the command *argv* on the first node that is running; what it printed."""
    running = lab.running()
    if not running:
        raise Failed(f"no node is running that could take `{' '.join(argv)}`")
    return lab.exec(running[0], argv, timeout=60).out


def present(lab: Lab, clone: str) -> set[str]:
    """The nodes where anything is left of *clone*, be it only stopping."""
    return {each.node for each in lab.health().instances if each.clone == clone and each.node}


def await_state(what: str, seen: Callable[[], bool], patience: float = _DONE) -> None:
    """Until the cluster is as *seen* says; :class:`NotInjected` with *what* otherwise."""

    def look() -> bool:
        try:
            return seen()
        except Failed:
            return False

    mending.await_seen(what, look, patience, _LOOK)


def _in_topology(lab: Lab, name: str) -> str:
    return "" if service(name).clone in lab.clones() else f"{name} is not in the lab's topology"


@dataclass(frozen=True)
class RollingRestart:
    """Every node in turn into standby and back, the next one when all is whole."""

    name: str = "rolling-restart"
    about: str = "every node in turn in standby, seen without services, and back; the next one when all is whole"

    def available(self, lab: Lab) -> str:
        return "" if len(lab.nodes) > 1 else "one node alone cannot be restarted without an outage"

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        clones = tuple(lab.clones())
        took: dict[str, float] = {}
        with mending.healed_by(*(partial(mending.again, partial(self._online, lab, node)) for node in lab.nodes)):
            for node in lab.nodes:
                begun = time.monotonic()
                tell(lab, ["crm_standby", "--node", node, "--update", "on"])
                await_state(f"node {node} in standby without services", partial(self._empty, lab, node, clones))
                self._online(lab, node)
                try:
                    lab.wait_healthy(_WHOLE)
                    _await_answers(lab, clones)
                except Failed as failure:
                    # It happened, and did harm: whether the cluster gets over it is for others to judge.
                    first = str(failure).splitlines()[0]
                    yield Injected(lab.nodes, f"{_listed(took)}; after {node} it was not whole: {first}", took)
                    return
                took[node] = round(time.monotonic() - begun, 1)
            yield Injected(lab.nodes, _listed(took), took)

    def _online(self, lab: Lab, node: str) -> None:
        tell(lab, ["crm_standby", "--node", node, "--delete"])

    def _empty(self, lab: Lab, node: str, clones: tuple[str, ...]) -> bool:
        health = lab.health()
        standby = any(state.name == node and state.standby for state in health.nodes)
        return standby and not any(each.node == node and each.clone in clones for each in health.instances)


def _listed(took: dict[str, float]) -> str:
    return "restarted in turn: " + (", ".join(f"{node} {seconds} s" for node, seconds in took.items()) or "none")


def _await_answers(lab: Lab, clones: tuple[str, ...]) -> None:
    """Until a client gets an answer at every door: started is not yet serving."""
    until = time.monotonic() + _WHOLE
    while True:
        silent = [
            f"{each.name} on {node} {silence}"
            for each in SERVICES
            if each.clone in clones
            for node in lab.nodes
            if (silence := each.silent(lab.address(node)))
        ]
        if not silent:
            return
        if time.monotonic() > until:
            raise Failed("; ".join(silent))
        time.sleep(_LOOK)


@dataclass(frozen=True)
class Move:
    """A *service*'s clone is asked to move to a node. It is there already, so that nothing may stop."""

    service: str

    @property
    def name(self) -> str:
        return f"move-{self.service}"

    @property
    def about(self) -> str:
        return (
            f"{self.service} is moved to one node and the constraint cleared again; the constraint is seen in the CIB"
        )

    def available(self, lab: Lab) -> str:
        return _in_topology(lab, self.service)

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        (node,) = mending.choose(lab, chance, 1)
        clone = service(self.service).clone
        with mending.healed_by(partial(mending.again, partial(_clear, lab, clone))):
            tell(lab, ["crm_resource", "--move", "--resource", clone, "--node", node])
            if not (constraint := _constraint(lab, "cli-prefer", clone)):
                raise NotInjected(f"no constraint prefers {node} for {clone}")
            yield Injected((node,), f"{clone} is told to be on {node}: {constraint}")


@dataclass(frozen=True)
class Ban:
    """A *service* is banned from one node; healing lets it come back."""

    service: str

    @property
    def name(self) -> str:
        return f"ban-{self.service}"

    @property
    def about(self) -> str:
        return f"{self.service} is banned from one node, seen to leave it, and let back"

    def available(self, lab: Lab) -> str:
        return _in_topology(lab, self.service)

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        (node,) = mending.choose(lab, chance, 1)
        clone = service(self.service).clone
        with mending.healed_by(partial(mending.again, partial(_clear, lab, clone))):
            tell(lab, ["crm_resource", "--ban", "--resource", clone, "--node", node])
            await_state(f"{clone} gone from {node}", lambda: node not in present(lab, clone))
            yield Injected((node,), f"{clone} has left {node}: {_constraint(lab, 'cli-ban', clone)}")


def _clear(lab: Lab, clone: str) -> None:
    tell(lab, ["crm_resource", "--clear", "--resource", clone])
    if left := _constraint(lab, "cli-", clone):
        raise Failed(f"the constraint {left} is still there")


def _constraint(lab: Lab, prefix: str, clone: str) -> str:
    """The id of the first constraint on *clone* whose id begins with *prefix*; empty when there is none."""
    found = etree.fromstring(lab.cib().encode()).iterfind(".//constraints/rsc_location")
    ids = (each.get("id") or "" for each in found if each.get("rsc") == clone)
    return next((each for each in ids if each.startswith(prefix)), "")


@dataclass(frozen=True)
class Refresh:
    """All that the cluster knows of a *service* is forgotten, and every node probed again (`crm resource cleanup`)."""

    service: str

    @property
    def name(self) -> str:
        return f"cleanup-{self.service}"

    @property
    def about(self) -> str:
        return f"the history of {self.service} is cleaned up on all nodes, each seen to be probed anew"

    def available(self, lab: Lab) -> str:
        return _in_topology(lab, self.service)

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        clone = service(self.service).clone
        before = self._probes(lab)
        tell(lab, ["crm_resource", "--refresh", "--resource", clone])

        def probed() -> bool:
            now = self._probes(lab)
            return all(now.get(node, before.get(node)) != before.get(node) for node in lab.nodes)

        await_state(f"{clone} probed anew on every node", probed)
        yield Injected(lab.nodes, f"{clone}: history forgotten, probed anew on every node")

    def _probes(self, lab: Lab) -> dict[str, str]:
        """Which probe each node's history holds."""
        found = {}
        for state in etree.fromstring(lab.cib().encode()).iterfind("status/node_state"):
            for probe in state.iterfind(f".//lrm_resource[@id='{self.service}']/lrm_rsc_op[@operation='monitor']"):
                if probe.get("interval") == "0":
                    found[state.get("uname") or ""] = probe.get("transition-key") or ""
        return found


@dataclass(frozen=True)
class Maintenance:
    """The whole cluster in maintenance mode, then back."""

    name: str = "maintenance"
    about: str = "the cluster is put in maintenance mode, every resource seen unmanaged, and back"

    def available(self, lab: Lab) -> str:
        return ""

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        with mending.healed_by(partial(mending.again, partial(_leave_maintenance, lab))):
            tell(lab, ["crm_attribute", "--type", "crm_config", "--name", _MAINTENANCE, "--update", "true"])
            await_state("every resource unmanaged", lambda: _managed(lab) == 0)
            yield Injected(lab.nodes, "maintenance mode: no resource is managed")


_MAINTENANCE = "maintenance-mode"


def _leave_maintenance(lab: Lab) -> None:
    tell(lab, ["crm_attribute", "--type", "crm_config", "--name", _MAINTENANCE, "--delete"])


def _managed(lab: Lab) -> int:
    """How many resources the cluster looks after."""
    root = etree.fromstring(tell(lab, ["crm_mon", "-1", "--output-as=xml"]).encode())
    return sum(each.get("managed") == "true" for each in root.iterfind("resources//resource"))


@dataclass(frozen=True)
class Restart:
    """A *service* is stopped everywhere and started again: an outage of its own that nobody's data may feel."""

    service: str

    @property
    def name(self) -> str:
        return f"restart-{self.service}"

    @property
    def about(self) -> str:
        return f"{self.service} is stopped on all nodes (target-role), seen inactive everywhere, and started again"

    def available(self, lab: Lab) -> str:
        return _in_topology(lab, self.service)

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        clone = service(self.service).clone
        role = ["crm_resource", "--resource", clone, "--meta"]
        with mending.healed_by(
            partial(mending.again, partial(tell, lab, [*role, "--delete-parameter", "target-role"])),
        ):
            tell(lab, [*role, "--set-parameter", "target-role", "--parameter-value", "Stopped"])
            await_state(f"{clone} inactive everywhere", lambda: not present(lab, clone))
            yield Injected(lab.nodes, f"{clone} is stopped on every node")
