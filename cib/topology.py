"""The topology: what an operator writes down about a cluster, read and checked, as frozen values.

:func:`quorate.cib.reader.read_topology` makes one from a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from quorate.agents.registry import AGENTS
from quorate.cib.extra import Fragment
from quorate.cib.model import Operation, Pairs
from quorate.cib.source import suggest
from quorate.lib.problem import Problem

DEFAULT_AFTER = {
    "keystone": ("galera", "rabbitmq"),
    "nova-api": ("keystone",),
    "dashboard": ("nova-api",),
}
"""What starts after what when the topology does not say."""

SERVICE_NAMES = tuple(agent.name for agent in AGENTS)


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
    """One of our agents, running on every node. *after* is None when the topology leaves the order to us."""

    name: str
    id: str
    parameters: Pairs
    operations: tuple[Operation, ...]
    meta: Pairs
    after: tuple[str, ...] | None
    ordering: str
    notify: bool

    @property
    def clone_id(self) -> str:
        """The id of the clone around the primitive."""
        return f"{self.id}-clone"


@dataclass(frozen=True)
class Topology:
    """A checked topology. *fencing* is empty exactly when the file says ``fencing: none``.

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

    def only(self, names: Iterable[str]) -> Topology:
        """The same topology with the services in *names* alone.

        Extra resources stay; an extra constraint stays unless it speaks of a service that is left out.
        Raises :class:`Problem` for a name that the topology does not have.
        """
        wanted = tuple(names)
        present = [service.name for service in self.services]
        for name in wanted:
            if name not in present:
                raise Problem(f"services: the topology has no service {name!r}{suggest(name, present)}")
        kept = tuple(service for service in self.services if service.name in wanted)
        gone = {
            identifier
            for service in self.services
            if service not in kept
            for identifier in (service.id, service.clone_id)
        }
        extra = tuple(fragment for fragment in self.extra if not gone.intersection(fragment.refers_to))
        return replace(self, services=kept, extra=extra)

    def before(self, service: Service) -> tuple[Service, ...]:
        """The services that start before *service*, in the order of the agents' list.

        A default order reaches through services that are not there: without nova-api, the dashboard follows
        keystone.
        """
        present = {other.name: other for other in self.services}
        found: set[str] = set()
        pending = list(DEFAULT_AFTER.get(service.name, ()) if service.after is None else service.after)
        while pending:
            name = pending.pop()
            if name in present:
                found.add(name)
            else:
                pending.extend(DEFAULT_AFTER.get(name, ()))
        return tuple(other for other in self.services if other.name in found)
