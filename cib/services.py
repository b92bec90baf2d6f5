"""The ``services`` of a topology: each is one of our agents, and its declaration judges every value."""

from __future__ import annotations

import re
from collections.abc import Collection

from quorate.agents.registry import AGENTS
from quorate.cib import duration, options, order, secret
from quorate.cib.model import Operation, Pairs
from quorate.cib.names import identifier, plain_value
from quorate.cib.source import Entry, suggest
from quorate.cib.topology import SENTINEL, SERVICE_NAMES, Node, Service, ordered
from quorate.lib.agent import Agent
from quorate.lib.declare import Action, Parameter

KEYS = ("id", "parameters", "operations", "meta", "after", "ordering")
ORDERINGS = {"optional": "Optional", "mandatory": "Mandatory"}

# What Pacemaker never runs as an operation of a resource.
_NOT_OPERATIONS = ("meta-data", "validate-all")


def read_services(
    entry: Entry, nodes: tuple[Node, ...], ordering: str, defaults: Collection[str]
) -> tuple[Service, ...]:
    """The services under *entry*, in the order of the agents' list.

    *ordering* is the topology's kind, and *defaults* the meta attributes that it gives to every resource.
    """
    items = entry.mapping()
    for name, item in items.items():
        if name not in SERVICE_NAMES:
            raise item.place.problem(f"unknown service {name!r}{suggest(name, SERVICE_NAMES)}")
        for key in item.mapping(KEYS):
            if name == SENTINEL and key in ("after", "ordering"):
                raise item.items[key].place.problem(f"{SENTINEL} has no start order: it waits for nothing")
    after = _orders(items)
    return tuple(
        _service(agent, items[agent.name], nodes, ordering, after[agent.name], defaults)
        for agent in AGENTS
        if agent.name in items
    )


def read_ordering(entry: Entry) -> str:
    """``optional`` or ``mandatory``, as the kind of an order constraint."""
    text = entry.scalar("optional or mandatory")
    if text not in ORDERINGS:
        raise entry.wrong("optional or mandatory")
    return ORDERINGS[text]


def _service(
    agent: type[Agent],
    entry: Entry,
    nodes: tuple[Node, ...],
    ordering: str,
    after: tuple[str, ...],
    defaults: Collection[str],
) -> Service:
    items = entry.mapping()
    notify = any(action.name == "notify" for action in agent.actions)
    return Service(
        name=agent.name,
        id=identifier(items["id"]) if "id" in items else agent.name,
        parameters=_parameters(agent, entry, items.get("parameters"), nodes),
        operations=_operations(agent, items.get("operations"), watched=False),
        watched_operations=_operations(agent, items.get("operations"), watched=True),
        meta=_meta(agent, items.get("meta"), defaults),
        after=after,
        ordering=read_ordering(items["ordering"]) if "ordering" in items else ordering,
        notify=notify,
    )


def _parameters(agent: type[Agent], service: Entry, entry: Entry | None, nodes: tuple[Node, ...]) -> Pairs:
    declared = {parameter.name: parameter for parameter in agent.parameters}
    given = entry.mapping() if entry else {}
    for key, item in given.items():
        objection = secret.objection(key, item.text)
        if objection:
            raise item.place.problem(objection)
        if key not in declared:
            raise item.place.problem(f"{agent.name} has no parameter {key!r}{suggest(key, declared)}")
    pairs = []
    for parameter in agent.parameters:
        if parameter.name in given:
            pairs.append((parameter.name, _value(parameter, given[parameter.name])))
        elif parameter.fill == "peers":
            pairs.append((parameter.name, " ".join(f"{node.name}={node.address}" for node in nodes)))
        elif parameter.required:
            place = entry.place if entry else service.place
            raise place.problem(f"the required parameter {parameter.name!r} of {agent.name} is missing")
    return tuple(pairs)


def _value(parameter: Parameter, entry: Entry) -> str:
    text = plain_value(entry)
    if parameter.type == "boolean":
        return options.FLAG.check(entry)
    if parameter.type == "select":
        if text not in parameter.choices:
            raise entry.place.problem(f"{text!r} is not one of {', '.join(parameter.choices)}")
    elif parameter.type == "integer":
        if re.fullmatch(r"-?\d{1,12}", text) is None:
            raise entry.wrong("a whole number")
        _bounds(parameter, entry, int(text) * 1000, text)
    elif parameter.type == "time":
        value = duration.milliseconds(text)
        if value is None:
            raise entry.wrong("a time such as 10s, 500ms or 2m")
        _bounds(parameter, entry, value, text)
    return text


def _bounds(parameter: Parameter, entry: Entry, thousandths: int, text: str) -> None:
    unit = " seconds" if parameter.type == "time" else ""
    if parameter.minimum is not None and thousandths < parameter.minimum * 1000:
        raise entry.place.problem(f"{text} is too small: at least {parameter.minimum}{unit}")
    if parameter.maximum is not None and thousandths > parameter.maximum * 1000:
        raise entry.place.problem(f"{text} is too large: at most {parameter.maximum}{unit}")


def _operation_key(action: Action) -> str:
    """How a topology names an action: ``monitor`` for the shallow one, ``monitor-10`` for depth 10."""
    return f"{action.name}-{action.depth}" if action.depth else action.name


def _operations(agent: type[Agent], entry: Entry | None, *, watched: bool) -> tuple[Operation, ...]:
    actions = {_operation_key(action): action for action in agent.actions if action.name not in _NOT_OPERATIONS}
    given = entry.mapping(actions, f"operation of {agent.name}") if entry else {}
    intervals = {key: _interval(action, given.get(key)) for key, action in actions.items()}
    operations = []
    seen: dict[tuple[str, str], str] = {}
    for key, action in actions.items():
        interval = intervals[key]
        if interval is None:
            interval = (action.interval or 0) * 1000
            beside = (action.watched_interval or 0) * 1000
            # A topology that is good without a sentinel is good with one: what the file says goes first.
            if watched and beside not in (intervals[k] for k, other in actions.items() if other.name == action.name):
                interval = beside
        operation = _operation(agent, action, given.get(key), interval)
        clash = seen.setdefault((operation.name, operation.interval), key)
        if clash != key:
            place = (given.get(key) or given[clash]).place
            raise place.problem(
                f"{key} and {clash} have the same interval ({operation.interval}), "
                "which is all that pacemaker tells them apart by"
            )
        operations.append(operation)
    return tuple(operations)


def _interval(action: Action, entry: Entry | None) -> int | None:
    """The interval that the topology gives an action, in milliseconds; None where it gives none."""
    allowed = (*options.OPERATION, "interval") if action.name == "monitor" else tuple(options.OPERATION)
    given = entry.mapping(allowed, f"key of the operation {action.name}") if entry else {}
    if "interval" not in given:
        return None
    interval = duration.milliseconds(options.TIME.check(given["interval"])) or 0
    if interval < 1000:
        raise given["interval"].place.problem("the interval of a monitor must be at least 1s")
    return interval


def _operation(agent: type[Agent], action: Action, entry: Entry | None, interval: int) -> Operation:
    given = entry.mapping() if entry else {}
    timeout = action.timeout * 1000
    if "timeout" in given:
        timeout = duration.milliseconds(options.TIME.check(given["timeout"])) or 0
        if timeout < action.timeout * 1000:
            raise given["timeout"].place.problem(
                f"{given['timeout'].text} is shorter than the {action.timeout}s that {agent.name} advises "
                f"for {_operation_key(action)}"
            )
    attributes = {"on-fail": action.on_fail} if action.on_fail else {}
    for key, item in given.items():
        if key not in ("interval", "timeout"):
            attributes[key] = options.OPERATION[key].check(item)
    return Operation(
        name=action.name,
        interval=duration.canonical(interval),
        timeout=duration.canonical(timeout),
        attributes=tuple(sorted(attributes.items())),
        parameters=(("OCF_CHECK_LEVEL", str(action.depth)),) if action.depth else (),
    )


def _meta(agent: type[Agent], entry: Entry | None, defaults: Collection[str]) -> Pairs:
    given = entry.mapping(options.CLONE_META, "meta attribute") if entry else {}
    # What an agent advises stands above what is chosen for all, not above what the operator chose for all.
    advised = {key: value for key, value in agent.meta if key not in defaults}
    return options.merge(advised, tuple((key, options.CLONE_META[key].check(v)) for key, v in given.items()))


def _orders(items: dict[str, Entry]) -> dict[str, tuple[str, ...]]:
    """For each service the services it starts after: as the topology says, else by default."""
    explicit = {name: _after(name, item.items["after"], items) for name, item in items.items() if "after" in item.items}
    edges = {**order.DEFAULT, **explicit}
    loop = order.cycle(edges)
    if loop:
        place = items[next(name for name in loop if name in explicit)].items["after"].place
        raise place.problem(f"the start order is circular: {' after '.join((*loop, loop[0]))}")
    return {name: ordered(order.reach(edges, name, items)) for name in items}


def _after(name: str, entry: Entry, present: Collection[str]) -> tuple[str, ...]:
    found: list[str] = []
    for item in entry.sequence("a list of services"):
        other = item.string("the name of a service")
        if other == SENTINEL:
            raise item.place.problem(f"nothing starts after {SENTINEL}: it only makes failures known sooner")
        if other == name:
            raise item.place.problem(f"{name} cannot start after itself")
        if other not in present:
            raise item.place.problem(f"the topology has no service {other!r}{suggest(other, present)}")
        if other in found:
            raise item.place.problem(f"{other!r} is listed twice")
        found.append(other)
    return ordered(found)
