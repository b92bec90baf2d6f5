"""From a topology to a CIB: the decisions about clones, orders and properties, and nothing about syntax."""

from __future__ import annotations

from quorate.cib import options
from quorate.cib.model import Cib, Clone, ClusterNode, Order, Pairs, Primitive
from quorate.cib.topology import FencingDevice, Service, Topology

PROVIDER = "quorate"


def build(topology: Topology) -> Cib:
    """The CIB of *topology*. The same topology gives the same value."""
    by_name = {service.name: service for service in topology.services}
    return Cib(
        nodes=tuple(ClusterNode(index, node.name) for index, node in enumerate(topology.nodes, start=1)),
        properties=_properties(topology),
        resource_defaults=options.merge(
            options.WATCHED_RESOURCE_DEFAULTS if topology.watched else options.RESOURCE_DEFAULTS,
            topology.resource_defaults,
        ),
        operation_defaults=topology.operation_defaults,
        fencing=tuple(_device(device) for device in topology.fencing),
        clones=tuple(_clone(service, topology.watched) for service in topology.services),
        orders=tuple(_order(by_name[first], service) for service in topology.services for first in service.after),
        extra_resources=tuple(item.xml for item in topology.extra if item.section == "resources"),
        extra_constraints=tuple(item.xml for item in topology.extra if item.section == "constraints"),
    )


def _order(first: Service, then: Service) -> Order:
    return Order(f"{first.id}-then-{then.id}", then.ordering, first.clone_id, then.clone_id)


def _properties(topology: Topology) -> Pairs:
    properties = {
        **dict(topology.options),
        # Pacemaker writes this one itself, but only when a DC takes over: a load that replaces everything would
        # lose it until then.
        "cluster-name": topology.name,
        "stonith-enabled": "true" if topology.fencing else "false",
    }
    return tuple(sorted(properties.items()))


def _device(device: FencingDevice) -> Primitive:
    return Primitive(
        id=device.name,
        standard="stonith",
        provider="",
        type=device.agent,
        parameters=tuple(sorted([*device.parameters, ("pcmk_host_list", " ".join(device.nodes))])),
        meta=device.meta,
        operations=device.operations,
    )


def _clone(service: Service, watched: bool) -> Clone:
    primitive = Primitive(
        id=service.id,
        standard="ocf",
        provider=PROVIDER,
        type=service.name,
        parameters=service.parameters,
        operations=service.watched_operations if watched else service.operations,
    )
    # Interleaved: an instance waits for, and follows, only the other service's instance on its own node. Without
    # it the restart of one galera could restart every keystone of the cluster.
    meta = {"interleave": "true", **({"notify": "true"} if service.notify else {}), **dict(service.meta)}
    return Clone(service.clone_id, primitive, tuple(sorted(meta.items())))
