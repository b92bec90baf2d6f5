"""A CIB as crmsh text: the form that ``crm configure load update`` takes and people read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lxml import etree

from quorate.cib.model import Cib, Clone, Operation, Order, Pairs, Primitive
from quorate.cib.render_xml import BOOTSTRAP_OPTIONS

_PARSER = etree.XMLParser(remove_blank_text=True)
_PLAIN = re.compile(r"[A-Za-z0-9_.,:/@%+=-]+")


def render_crm(cib: Cib) -> str:
    """The configuration as crmsh text. The same value gives the same bytes."""
    commands = [_command(f"node {node.id}: {node.name}") for node in cib.nodes]
    commands += [_primitive(device) for device in cib.fencing]
    for clone in cib.clones:
        commands += [_primitive(clone.primitive), _clone(clone)]
    commands += [command for xml in cib.extra_resources for command in _resource(etree.fromstring(xml, _PARSER))]
    commands += [_order(order) for order in cib.orders]
    commands += [_raw(etree.fromstring(xml, _PARSER)) for xml in cib.extra_constraints]
    commands.append(_set(f"property {BOOTSTRAP_OPTIONS}:", cib.properties))
    if cib.resource_defaults:
        commands.append(_set("rsc_defaults rsc-options:", cib.resource_defaults))
    if cib.operation_defaults:
        commands.append(_set("op_defaults op-options:", cib.operation_defaults))
    return "".join(commands)


def _command(head: str, parts: Iterable[str] = ()) -> str:
    return " \\\n\t".join([head, *parts]) + "\n"


def _primitive(primitive: Primitive) -> str:
    agent = ":".join(part for part in (primitive.standard, primitive.provider, primitive.type) if part)
    parts = []
    if primitive.parameters:
        parts.append(f"params {_pairs(primitive.parameters)}")
    if primitive.meta:
        parts.append(f"meta {_pairs(primitive.meta)}")
    parts += [_operation(operation) for operation in primitive.operations]
    return _command(f"primitive {primitive.id} {agent}", parts)


def _operation(operation: Operation) -> str:
    pairs = (
        ("interval", operation.interval),
        ("timeout", operation.timeout),
        *operation.attributes,
        *operation.parameters,
    )
    return f"op {operation.name} {_pairs(pairs)}"


def _clone(clone: Clone) -> str:
    return _command(f"clone {clone.id} {clone.primitive.id}", [f"meta {_pairs(clone.meta)}"])


def _order(order: Order) -> str:
    return _command(f"order {order.id} {order.kind}: {order.first} {order.then}")


def _set(head: str, pairs: Pairs) -> str:
    return _command(head, [_pair(*pair) for pair in pairs])


def _resource(element: etree._Element) -> Iterator[str]:
    """A raw resource: as it is, but a clone or group as crmsh's own text after the resources in it.

    crmsh 4.4 looks up what a raw clone or group holds as objects of their own, and finds none.
    """
    children = [child for child in element if child.tag in ("primitive", "group", "clone")]
    simple = all(child in children or (child.tag == "meta_attributes" and not child.get("id-ref")) for child in element)
    rules = element.find(".//meta_attributes/rule")
    if element.tag not in ("clone", "group") or not children or not simple or rules is not None:
        yield _raw(element)
        return
    for child in children:
        yield from _resource(child)
    members = " ".join(child.get("id", "") for child in children)
    sets = element.findall("meta_attributes")
    pairs = [tuple((n.get("name", ""), n.get("value", "")) for n in each.iterfind("nvpair")) for each in sets]
    head = f"{element.tag} {element.get('id', '')} {members}"
    yield _command(head, [f"meta $id={each.get('id')} {_pairs(p)}" for each, p in zip(sets, pairs, strict=True) if p])


def _raw(element: etree._Element) -> str:
    text = etree.tostring(element, encoding="unicode")
    # crmsh joins the words of the line with single blanks: a run of them inside a value must not look like one.
    return f"xml {text.replace('  ', ' &#32;')}\n"


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return " ".join(_pair(*pair) for pair in pairs)


def _pair(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'
