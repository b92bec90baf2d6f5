"""A CIB as XML: the form that ``crm configure load xml`` and ``cibadmin`` take."""

from __future__ import annotations

from lxml import etree

from quorate.cib.model import Cib, Clone, Operation, Pairs, Primitive

SCHEMA = "pacemaker-3.7"
"""The oldest schema with the roles Promoted and Unpromoted: pacemaker 2.1.5 and 3.0 both read it."""

BOOTSTRAP_OPTIONS = "cib-bootstrap-options"
"""The property set that Pacemaker writes its own properties into: ours must not be a second one beside it."""


def render_cib(cib: Cib) -> str:
    """The whole ``<cib>``, ready for a file. The same value gives the same bytes."""
    root = etree.Element("cib", {"validate-with": SCHEMA, "admin_epoch": "0", "epoch": "1", "num_updates": "0"})
    root.append(_configuration(cib))
    etree.SubElement(root, "status")
    return _text(root)


def render_configuration(cib: Cib) -> str:
    """The ``<configuration>`` section alone."""
    return _text(_configuration(cib))


def _text(element: etree._Element) -> str:
    etree.indent(element)
    return etree.tostring(element, encoding="unicode") + "\n"


def _configuration(cib: Cib) -> etree._Element:
    root = etree.Element("configuration")
    _nvset(etree.SubElement(root, "crm_config"), "cluster_property_set", BOOTSTRAP_OPTIONS, cib.properties)
    nodes = etree.SubElement(root, "nodes")
    for node in cib.nodes:
        etree.SubElement(nodes, "node", {"id": str(node.id), "uname": node.name})
    resources = etree.SubElement(root, "resources")
    for device in cib.fencing:
        resources.append(_primitive(device))
    for clone in cib.clones:
        resources.append(_clone(clone))
    for xml in cib.extra_resources:
        resources.append(etree.fromstring(xml))
    constraints = etree.SubElement(root, "constraints")
    for order in cib.orders:
        etree.SubElement(
            constraints,
            "rsc_order",
            {"id": order.id, "kind": order.kind, "first": order.first, "then": order.then},
        )
    for xml in cib.extra_constraints:
        constraints.append(etree.fromstring(xml))
    if cib.resource_defaults:
        _nvset(etree.SubElement(root, "rsc_defaults"), "meta_attributes", "rsc-options", cib.resource_defaults)
    if cib.operation_defaults:
        _nvset(etree.SubElement(root, "op_defaults"), "meta_attributes", "op-options", cib.operation_defaults)
    return root


def _nvset(parent: etree._Element, tag: str, identifier: str, pairs: Pairs) -> None:
    if not pairs:
        return
    element = etree.SubElement(parent, tag, {"id": identifier})
    for name, value in pairs:
        etree.SubElement(element, "nvpair", {"id": f"{identifier}-{name}", "name": name, "value": value})


def _primitive(primitive: Primitive) -> etree._Element:
    attributes = {"id": primitive.id, "class": primitive.standard}
    if primitive.provider:
        attributes["provider"] = primitive.provider
    attributes["type"] = primitive.type
    element = etree.Element("primitive", attributes)
    _nvset(element, "instance_attributes", f"{primitive.id}-instance_attributes", primitive.parameters)
    _nvset(element, "meta_attributes", f"{primitive.id}-meta_attributes", primitive.meta)
    operations = etree.SubElement(element, "operations")
    for operation in primitive.operations:
        operations.append(_operation(primitive.id, operation))
    return element


def _operation(owner: str, operation: Operation) -> etree._Element:
    identifier = f"{owner}-{operation.name}-{operation.interval}"
    element = etree.Element(
        "op",
        {
            "id": identifier,
            "name": operation.name,
            "interval": operation.interval,
            "timeout": operation.timeout,
            **dict(operation.attributes),
        },
    )
    _nvset(element, "instance_attributes", f"{identifier}-instance_attributes", operation.parameters)
    return element


def _clone(clone: Clone) -> etree._Element:
    element = etree.Element("clone", {"id": clone.id})
    _nvset(element, "meta_attributes", f"{clone.id}-meta_attributes", clone.meta)
    element.append(_primitive(clone.primitive))
    return element
