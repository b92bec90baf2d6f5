"""What ``quorate lab status`` tells, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from quorate.lab.cluster import Lab
from quorate.lab.health import Health
from quorate.lib.problem import Failed


@dataclass(frozen=True)
class NodeStatus:
    """One node: its address, its power, and what the cluster thinks of it."""

    name: str
    address: str
    power: str
    online: bool


@dataclass(frozen=True)
class LabStatus:
    """One lab. *missing* says, phrase by phrase, what keeps it from being healthy."""

    name: str
    healthy: bool
    nodes: tuple[NodeStatus, ...]
    missing: tuple[str, ...]
    resources: tuple[tuple[str, tuple[str, ...]], ...]
    failures: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values, for programs."""
        return {**asdict(self), "resources": {name: list(where) for name, where in self.resources}}


def status(lab: Lab) -> LabStatus:
    """Look at *lab* once."""
    health: Health | None
    try:
        health = lab.health()
        missing = health.missing(lab.nodes, lab.clones())
    except Failed as failure:
        health, missing = None, (str(failure),)
    running = lab.running()
    online = {state.name for state in health.nodes if state.online} if health else set()
    active: dict[str, list[str]] = {}
    for each in health.instances if health else ():
        where = active.setdefault(each.resource, [])
        if each.node and each.healthy:
            where.append(each.node)
    return LabStatus(
        name=lab.name,
        healthy=not missing,
        nodes=tuple(
            NodeStatus(node, lab.address(node), "on" if node in running else "off", node in online)
            for node in lab.nodes
        ),
        missing=missing,
        resources=tuple((name, tuple(sorted(where))) for name, where in active.items()),
        failures=tuple(str(failure) for failure in health.failures) if health else (),
    )
