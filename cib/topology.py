"""The topology: what an operator writes down about a cluster, read and checked, as frozen values.

:func:`quorate.cib.reader.read_topology` makes one from a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from quorate.agents.registry import AGENTS
from quorate.agents.sentinel import Sentinel
from quorate.cib.extra import Fragment
from quorate.cib.model import Operation, Pairs
from quorate.cib.order import reach
from quorate.cib.source import suggest
from quorate.lib.problem import Problem

SERVICE_NAMES = tuple(agent.name for agent in AGENTS)
SENTINEL = Sentinel.name


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Names of services in the order of the agents' list."""
    return tuple(sorted(names, key=SERVICE_NAMES.index))


@dataclass(frozen=True)
class Node:
    """A member of the cluster; its corosync id is its position in the list, from 1."""

    name: str
    address: str


@dataclass(frozen=True)
class FencingDevice:
    """A device that can cut the power of *nodes*."""

    name: str
    agent: str
    nodes: tuple[str, ...]
    parameters: Pairs
    meta: Pairs
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Service:
    """One of our agents, running on every node once the services named in *after* have started there.

    *watched_operations* are its operations on nodes with a sentinel.
    """

    name: str
    id: str
    parameters: Pairs
    operations: tuple[Operation, ...]
    watched_operations: tuple[Operation, ...]
    meta: Pairs
    after: tuple[str, ...]
    ordering: str
    notify: bool

    @property
    def clone_id(self) -> str:
        """The id of the clone around the primitive."""
        return f"{self.id}-clone"


@dataclass(frozen=True)
class Topology:
    """A checked topology. *fencing* is empty exactly when the file says ``fencing: none``.

    *resource_defaults* are those that the file gives; what is chosen for the others depends on the services.
    *warnings* are sentences for the operator; they play no part in comparisons.
    """

    name: str
    options: Pairs
    resource_defaults: Pairs
    operation_defaults: Pairs
    nodes: tuple[Node, ...]
    fencing: tuple[FencingDevice, ...]
    services: tuple[Service, ...]
    extra: tuple[Fragment, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def watched(self) -> bool:
        """Whether a sentinel runs on every node, so that the monitors are only the net below it."""
        return any(service.name == SENTINEL for service in self.services)

    def only(self, names: Iterable[str]) -> Topology:
        """The same topology with the services in *names* alone.

        What started after a service that is left out starts after what that one started after. Extra resources
        stay; an extra constraint stays unless it speaks of a service that is left out.
        Raises :class:`Problem` for a name that the topology does not have.
        """
        wanted = tuple(names)
        present = [service.name for service in self.services]
        for name in wanted:
            if name not in present:
                raise Problem(f"services: the topology has no service {name!r}{suggest(name, present)}")
        edges = {service.name: service.after for service in self.services}
        kept = tuple(
            replace(service, after=ordered(reach(edges, service.name, wanted)))
            for service in self.services
            if service.name in wanted
        )
        gone = {
            identifier
            for service in self.services
            if service.name not in wanted
            for identifier in (service.id, service.clone_id)
        }
        extra = tuple(fragment for fragment in self.extra if not gone.intersection(fragment.refers_to))
        return replace(self, services=kept, extra=extra)
