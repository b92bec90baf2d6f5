"""The ``fencing`` of a topology: devices, or the explicit word ``none``."""

from __future__ import annotations

from quorate.cib import duration, options, secret
from quorate.cib.model import Operation, Pairs
from quorate.cib.names import fence_agent, identifier, parameter_name, plain_value
from quorate.cib.source import Entry, suggest
from quorate.cib.topology import FencingDevice, Node

KEYS = ("name", "agent", "nodes", "parameters", "operations", "meta")

# A power switch is asked once a minute whether it is there: an operator learns that it is gone before it is
# needed. Seconds: interval, least timeout.
_OPERATIONS = {"monitor": (60, 20), "start": (0, 20)}
_TIMEOUT = 60

NO_FENCING = (
    "fencing is off (stonith-enabled=false): a node that hangs can keep a service half alive and split data; "
    "never run a control plane that matters like this"
)


def read_fencing(entry: Entry, nodes: tuple[Node, ...]) -> tuple[FencingDevice, ...]:
    """The devices under *entry*; none at all only for the explicit word ``none``."""
    if entry.kind == "str" and entry.text == "none":
        return ()
    elements = entry.sequence("a list of fencing devices, or the word none")
    if not elements:
        raise entry.place.problem("lists no device; write 'fencing: none' if you really want no fencing")
    devices: list[FencingDevice] = []
    for element in elements:
        device = _device(element, nodes)
        if any(other.name == device.name for other in devices):
            raise element.items["name"].place.problem(f"duplicate fencing device {device.name!r}")
        devices.append(device)
    covered = {name for device in devices for name in device.nodes}
    for node in nodes:
        if node.name not in covered:
            raise entry.place.problem(f"no device can fence node {node.name!r}")
    return tuple(devices)


def _device(entry: Entry, nodes: tuple[Node, ...]) -> FencingDevice:
    items = entry.mapping(KEYS)
    for key in ("name", "agent"):
        if key not in items:
            raise entry.place.problem(f"the key {key!r} is missing")
    return FencingDevice(
        name=identifier(items["name"]),
        agent=fence_agent(items["agent"]),
        nodes=_nodes(items["nodes"], nodes) if "nodes" in items else tuple(node.name for node in nodes),
        parameters=_parameters(items.get("parameters")),
        meta=_meta(items.get("meta")),
        operations=_operations(items.get("operations")),
    )


def _nodes(entry: Entry, nodes: tuple[Node, ...]) -> tuple[str, ...]:
    known = [node.name for node in nodes]
    found: list[str] = []
    for item in entry.sequence("a list of node names"):
        name = item.string("a node name")
        if name not in known:
            raise item.place.problem(f"unknown node {name!r}{suggest(name, known)}")
        if name in found:
            raise item.place.problem(f"{name!r} is listed twice")
        found.append(name)
    if not found:
        raise entry.place.problem("lists no node")
    return tuple(sorted(found, key=known.index))


def _parameters(entry: Entry | None) -> Pairs:
    pairs = []
    for key, item in sorted((entry.mapping() if entry else {}).items()):
        value = plain_value(item)
        objection = secret.objection(parameter_name(item, key), value)
        if objection:
            raise item.place.problem(objection)
        if key == "pcmk_host_list":
            raise item.place.problem("is written from the key nodes of the device; use that")
        pairs.append((key, value))
    return tuple(pairs)


def _meta(entry: Entry | None) -> Pairs:
    given = entry.mapping(options.RESOURCE_META, "meta attribute") if entry else {}
    return tuple((key, options.RESOURCE_META[key].check(item)) for key, item in sorted(given.items()))


def _operations(entry: Entry | None) -> tuple[Operation, ...]:
    given = entry.mapping(_OPERATIONS, "operation of a fencing device") if entry else {}
    return tuple(_operation(name, given.get(name)) for name in _OPERATIONS)


def _operation(name: str, entry: Entry | None) -> Operation:
    least_interval, least_timeout = _OPERATIONS[name]
    given = entry.mapping(("interval", "timeout") if least_interval else ("timeout",)) if entry else {}
    interval, timeout = least_interval * 1000, _TIMEOUT * 1000
    if "interval" in given:
        interval = duration.milliseconds(options.TIME.check(given["interval"])) or 0
        if interval < 1000:
            raise given["interval"].place.problem("the interval of a monitor must be at least 1s")
    if "timeout" in given:
        timeout = duration.milliseconds(options.TIME.check(given["timeout"])) or 0
        if timeout < least_timeout * 1000:
            raise given["timeout"].place.problem(
                f"{given['timeout'].text} is shorter than the {least_timeout}s that a fencing device needs"
            )
    return Operation(name, duration.canonical(interval), duration.canonical(timeout))
