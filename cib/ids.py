"""An id stands for one thing: checked over the whole configuration, because crmsh lets an early duplicate pass."""

from __future__ import annotations

from dataclasses import replace

from lxml import etree

from quorate.cib.build import build
from quorate.cib.render_xml import render_configuration
from quorate.cib.topology import Topology
from quorate.lib.problem import Problem


def refuse_duplicate_ids(topology: Topology, file: str) -> None:
    """Raise Problem when two elements that we generate, or an extra and one of ours, share an id."""
    generated = etree.fromstring(render_configuration(build(replace(topology, extra=()))))
    seen: set[str] = set()
    for element in generated.iter():
        identifier = element.get("id")
        if identifier is None or element.tag == "node":  # a node's id is its number, in a space of its own
            continue
        if identifier in seen:
            raise Problem(f"{file}: the ids chosen for services and fencing devices lead to {identifier!r} twice")
        seen.add(identifier)
    for fragment in topology.extra:
        for identifier in fragment.ids:
            if identifier in seen:
                raise fragment.place.problem(f"the id {identifier!r} is taken by what is generated")
