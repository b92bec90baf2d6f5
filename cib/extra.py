"""What we do not model: XML elements that go into the CIB as they are, checked for shape, ids and secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from quorate.cib import secret
from quorate.cib.names import valid_id
from quorate.cib.source import Entry, Place

PLACES = {
    "resources": ("primitive", "group", "clone", "bundle", "template"),
    "constraints": ("rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket"),
}
"""The sections that an extra may go to, with the elements that each takes."""

_REFERENCES = ("rsc", "with-rsc", "first", "then")
_RESOURCES = ("primitive", "group", "clone", "bundle")


@dataclass(frozen=True)
class Fragment:
    """One extra element.

    It goes to *section* as the canonical *xml*, brings *ids* (those of *resources* among them), and refers to
    resources and *nodes*.
    """

    section: str
    xml: str
    ids: tuple[str, ...]
    resources: tuple[str, ...]
    refers_to: tuple[str, ...]
    nodes: tuple[str, ...]
    place: Place = field(compare=False)


def read_extra(entry: Entry) -> tuple[Fragment, ...]:
    """The fragments under the key ``extra``. Raises Problem with the line of the offending element."""
    found: list[Fragment] = []
    seen: dict[str, Place] = {}
    for section, item in sorted(entry.mapping(PLACES, "place").items(), key=lambda pair: list(PLACES).index(pair[0])):
        for fragment in _fragments(section, item):
            for identifier in fragment.ids:
                if identifier in seen:
                    raise fragment.place.problem(
                        f"duplicate id {identifier!r}, first given on line {seen[identifier].line}"
                    )
                seen[identifier] = fragment.place
            found.append(fragment)
    return tuple(found)


def _fragments(section: str, entry: Entry) -> Iterator[Fragment]:
    text = entry.string("XML, as a text block (|)")
    # No entities, no network, no DTD: an extra is data. The wrapper stands on the line before the text.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_blank_text=True)
    try:
        root = etree.fromstring(f"<{section}>\n{text}\n</{section}>".encode(), parser)
    except etree.XMLSyntaxError as error:
        line = entry.content_line + max((error.lineno or 2) - 2, 0)
        words = str(error.msg).rpartition(", line")[0] or str(error.msg)
        raise Place(entry.place.file, line, entry.place.key).problem(f"is not well-formed XML: {words}") from None
    if (root.text or "").strip() or any((child.tail or "").strip() for child in root):
        raise entry.place.problem("has text outside of its XML elements")
    for child in root:
        place = Place(entry.place.file, entry.content_line + (child.sourceline or 2) - 2, entry.place.key)
        yield _fragment(section, child, place)


def _fragment(section: str, element: etree._Element, place: Place) -> Fragment:
    tag = element.tag
    if tag not in PLACES[section]:
        shown = f"<{tag}>" if isinstance(tag, str) else "a processing instruction"
        raise place.problem(f"{shown} does not belong in {section}; allowed: {', '.join(PLACES[section])}")
    if element.get("id") is None:
        raise place.problem(f"<{tag}> has no id")
    ids: list[str] = []
    refers: list[str] = []
    nodes: list[str] = []
    resources: list[str] = []
    for node in element.iter():
        if not isinstance(node.tag, str):
            raise place.problem("processing instructions and entities are not allowed")
        identifier = node.get("id")
        if node.tag in ("resource_ref", "obj_ref"):
            refers.append(identifier or "")
        elif identifier is not None:
            if not valid_id(identifier):
                raise place.problem(f"{identifier!r} cannot be an id")
            if identifier in ids:
                raise place.problem(f"duplicate id {identifier!r} in one element")
            ids.append(identifier)
            if node.tag in _RESOURCES:
                resources.append(identifier)
        if section == "constraints":
            refers.extend(str(node.get(name)) for name in _REFERENCES if node.get(name) is not None)
            if node.tag == "rsc_location" and node.get("node") is not None:
                nodes.append(str(node.get("node")))
        if node.tag == "nvpair":
            objection = secret.objection(node.get("name", ""), node.get("value", ""))
            if objection:
                raise place.problem(f"{element.get('id')}: {objection}")
    element.tail = None
    return Fragment(
        section=section,
        xml=etree.tostring(element, encoding="unicode"),
        ids=tuple(ids),
        resources=tuple(resources),
        refers_to=tuple(refers),
        nodes=tuple(nodes),
        place=place,
    )
