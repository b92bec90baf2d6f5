"""What a CIB's configuration holds, as values. No XML, no crmsh: the renderers decide how it is written.

Ids follow the ones crmsh gives to its own text form, so both forms lead to the same cluster content.
"""

from __future__ import annotations

from dataclasses import dataclass

Pairs = tuple[tuple[str, str], ...]
"""Names with values, in the order in which they are written."""


@dataclass(frozen=True)
class ClusterNode:
    """A member; *id* is its corosync node id."""

    id: int
    name: str


@dataclass(frozen=True)
class Operation:
    """One operation of a primitive. *interval* and *timeout* are canonical times (``10s``)."""

    name: str
    interval: str
    timeout: str
    attributes: Pairs = ()
    parameters: Pairs = ()


@dataclass(frozen=True)
class Primitive:
    """One resource. *standard* is ``ocf`` (with a *provider*) or ``stonith``."""

    id: str
    standard: str
    provider: str
    type: str
    parameters: Pairs = ()
    meta: Pairs = ()
    operations: tuple[Operation, ...] = ()


@dataclass(frozen=True)
class Clone:
    """A primitive that runs on every node."""

    id: str
    primitive: Primitive
    meta: Pairs


@dataclass(frozen=True)
class Order:
    """*first* starts before *then*; *kind* is ``Optional`` or ``Mandatory``."""

    id: str
    kind: str
    first: str
    then: str


@dataclass(frozen=True)
class Cib:
    """The whole configuration. *extra_* are XML elements that we do not model, one string each."""

    nodes: tuple[ClusterNode, ...]
    properties: Pairs
    resource_defaults: Pairs
    operation_defaults: Pairs
    fencing: tuple[Primitive, ...]
    clones: tuple[Clone, ...]
    orders: tuple[Order, ...]
    extra_resources: tuple[str, ...] = ()
    extra_constraints: tuple[str, ...] = ()
