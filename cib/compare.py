"""Whether two CIBs ask for the same: what went into a cluster, and what it holds."""

from __future__ import annotations

import difflib

from lxml import etree

from quorate.lib.problem import Problem

# What Pacemaker and its tools write by themselves.
_OWN_PROPERTIES = {
    "cluster-infrastructure",
    "cluster-name",
    "dc-version",
    "have-watchdog",
    "last-lrm-refresh",
}
_ORDERED = {"group", "resource_set", "rule"}


def canonical(xml: str | bytes) -> str:
    """The configuration section of *xml* (a whole CIB or the section) in one form, one element per line.

    Left out: the order of attributes, and of elements where it has no meaning; counters and status; the
    properties that Pacemaker writes itself; a node's type and attributes (such as standby); empty containers.
    Raises Problem when there is no configuration in it.
    """
    try:
        data = xml.encode() if isinstance(xml, str) else xml
        root = etree.fromstring(data, etree.XMLParser(remove_blank_text=True, remove_comments=True))
    except etree.XMLSyntaxError as error:
        raise Problem(f"not well-formed XML: {error.msg}") from None
    section = root if root.tag == "configuration" else root.find("configuration")
    if section is None:
        raise Problem(f"<{root.tag!s}> is not a CIB: it has no <configuration>")
    return "\n".join(_lines(section, 0)) + "\n"


def difference(generated: str | bytes, held: str | bytes) -> str:
    """A unified diff of the canonical forms; empty when both ask for the same."""
    return "".join(
        difflib.unified_diff(
            canonical(generated).splitlines(keepends=True),
            canonical(held).splitlines(keepends=True),
            "generated",
            "held by the cluster",
        )
    )


def _lines(element: etree._Element, depth: int) -> list[str]:
    attributes = {str(name): str(value) for name, value in element.items()}
    children = [child for child in element if isinstance(child.tag, str) and not _own(child)]
    if element.tag == "node" and depth == 2:
        attributes.pop("type", None)
        children = []
    blocks = [lines for child in children if (lines := _lines(child, depth + 1))]
    if element.tag not in _ORDERED:
        blocks.sort()
    if not blocks and not attributes and depth > 0:
        return []
    shown = "".join(f' {name}="{value}"' for name, value in sorted(attributes.items()))
    return ["  " * depth + f"<{element.tag!s}{shown}>", *(line for block in blocks for line in block)]


def _own(element: etree._Element) -> bool:
    return (
        element.tag == "nvpair"
        and element.get("name") in _OWN_PROPERTIES
        and (parent := element.getparent()) is not None
        and parent.tag == "cluster_property_set"
    )
