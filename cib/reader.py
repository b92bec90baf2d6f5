"""From a file to a checked :class:`Topology`. Every complaint is one sentence with file, line and key."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path

from quorate.cib import options, source
from quorate.cib.extra import Fragment, read_extra
from quorate.cib.fencing import NO_FENCING, read_fencing
from quorate.cib.ids import refuse_duplicate_ids
from quorate.cib.model import Pairs
from quorate.cib.names import identifier, node_name
from quorate.cib.options import Kind
from quorate.cib.services import read_ordering, read_services
from quorate.cib.source import Entry, suggest
from quorate.cib.topology import FencingDevice, Node, Service, Topology

KEYS = ("cluster", "nodes", "fencing", "services", "ordering", "extra")
CLUSTER_KEYS = ("name", "options", "resource-defaults", "operation-defaults")
DEFAULT_NAME = "quorate"


def read_topology(path: str | Path) -> Topology:
    """The topology in the YAML file at *path*. Raises :class:`quorate.lib.problem.Problem`."""
    return _topology(source.load(path))


def parse_topology(text: str, file: str = "topology") -> Topology:
    """The topology in the YAML *text*; *file* is the name used in complaints."""
    return _topology(source.parse(text, file))


def _topology(root: Entry) -> Topology:
    items = root.mapping(KEYS)
    for key in ("nodes", "services"):
        if key not in items:
            raise root.place.problem(f"the key {key!r} is missing")
    if "fencing" not in items:
        raise root.place.problem(
            "the key 'fencing' is missing: list the devices that can cut a node's power, "
            "or write 'fencing: none' to do without on your own risk"
        )
    cluster = items["cluster"].mapping(CLUSTER_KEYS) if "cluster" in items else {}
    nodes = _nodes(items["nodes"])
    fencing = read_fencing(items["fencing"], nodes)
    ordering = read_ordering(items["ordering"]) if "ordering" in items else "Optional"
    defaults = _pairs(cluster.get("resource-defaults"), options.RESOURCE_META, "meta attribute")
    services = read_services(items["services"], nodes, ordering, dict(defaults))
    extra = read_extra(items["extra"]) if "extra" in items else ()
    _refuse_shared_ids(items, fencing, services)
    _refuse_dangling(extra, nodes, fencing, services)
    given = _pairs(cluster.get("options"), options.CLUSTER, "cluster option")
    topology = Topology(
        name=identifier(cluster["name"]) if "name" in cluster else DEFAULT_NAME,
        options=options.merge(options.CLUSTER_DEFAULTS, given),
        resource_defaults=defaults,
        operation_defaults=_pairs(cluster.get("operation-defaults"), options.OPERATION, "operation attribute"),
        nodes=nodes,
        fencing=fencing,
        services=services,
        extra=extra,
        warnings=_warnings(items, nodes, fencing, cluster.get("options")),
    )
    refuse_duplicate_ids(topology, root.place.file)
    return topology


def _nodes(entry: Entry) -> tuple[Node, ...]:
    nodes: list[Node] = []
    lines: dict[str, int] = {}
    for element in entry.sequence("a list of nodes"):
        items = element.mapping(("name", "address"))
        for key in ("name", "address"):
            if key not in items:
                raise element.place.problem(f"the key {key!r} is missing")
        node = Node(node_name(items["name"]), _address(items["address"]))
        for key, value in (("name", node.name), ("address", node.address)):
            if value in lines:
                raise items[key].place.problem(f"duplicate node {key} {value!r}, first given on line {lines[value]}")
            lines[value] = items[key].place.line
        nodes.append(node)
    if not nodes:
        raise entry.place.problem("lists no node")
    return tuple(nodes)


def _address(entry: Entry) -> str:
    text = entry.scalar("an IP address")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise entry.place.problem(f"{text!r} is not an IP address") from None


def _pairs(entry: Entry | None, kinds: Mapping[str, Kind], what: str) -> Pairs:
    given = entry.mapping() if entry else {}
    pairs = []
    for key, item in sorted(given.items()):
        if kinds is options.CLUSTER and key in options.NOT_YOURS:
            raise item.place.problem(options.NOT_YOURS[key])
        if key not in kinds:
            raise item.place.problem(f"unknown {what} {key!r}{suggest(key, kinds)}")
        pairs.append((key, kinds[key].check(item)))
    return tuple(pairs)


def _refuse_shared_ids(
    items: dict[str, Entry], fencing: tuple[FencingDevice, ...], services: tuple[Service, ...]
) -> None:
    owners = {device.name: f"fencing device {device.name!r}" for device in fencing}
    for service in services:
        for taken in (service.id, service.clone_id):
            if taken in owners:
                entry = items["services"].items[service.name]
                place = entry.items["id"].place if "id" in entry.items else entry.place
                raise place.problem(f"the id {taken!r} is taken by the {owners[taken]}")
            owners[taken] = f"service {service.name!r}"


def _refuse_dangling(
    extra: tuple[Fragment, ...],
    nodes: tuple[Node, ...],
    fencing: tuple[FencingDevice, ...],
    services: tuple[Service, ...],
) -> None:
    known = [identifier for service in services for identifier in (service.id, service.clone_id)]
    known += [device.name for device in fencing]
    known += [resource for fragment in extra for resource in fragment.resources]
    names = [node.name for node in nodes]
    for fragment in extra:
        for reference in fragment.refers_to:
            if reference not in known:
                raise fragment.place.problem(f"refers to an unknown resource {reference!r}{suggest(reference, known)}")
        for name in fragment.nodes:
            if name not in names:
                raise fragment.place.problem(f"refers to an unknown node {name!r}{suggest(name, names)}")


def _warnings(
    items: dict[str, Entry], nodes: tuple[Node, ...], fencing: tuple[FencingDevice, ...], given: Entry | None
) -> tuple[str, ...]:
    warnings = []
    if not fencing:
        warnings.append(f"{items['fencing'].place}: {NO_FENCING}")
    if len(nodes) < 3:
        warnings.append(
            f"{items['nodes'].place}: with {len(nodes)} node(s) the loss of one leaves no majority; "
            "three is the least that survives it"
        )
    policy = given.items.get("no-quorum-policy") if given else None
    if policy is not None and policy.text == "ignore":
        warnings.append(f"{policy.place}: without quorum, both halves of a split cluster will run everything")
    return tuple(warnings)
