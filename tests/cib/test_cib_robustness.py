"""Whatever is written in a topology: a sentence or a CIB that verifies, never a traceback."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from topologies import LAB, SERVICES, VIP

from quorate.cib import order
from quorate.cib.build import build
from quorate.cib.reader import parse_topology
from quorate.cib.render_crm import render_crm
from quorate.cib.render_xml import render_cib
from quorate.cib.topology import Topology
from quorate.cib.verify import SCHEMAS
from quorate.lib.problem import Problem

TEXT = LAB + VIP
WORDS = ["", "~", "x", "[", "{}", "- 1", "none", "n1", "5", "0s", "&a", "*a", "!!map", "<a/>", "&#0;", "\n", ":", "\t"]


def outcome(text: str) -> Topology | str:
    """The topology that *text* is, or the complaint about it."""
    try:
        return parse_topology(text, "t.yaml")
    except Problem as problem:
        return str(problem)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(TEXT)), st.integers(0, 12), st.sampled_from(WORDS)), max_size=3))
def test_damage_is_reported_in_one_sentence(damage: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for position, length, word in damage:
        text = text[:position] + word + text[position + length :]
    topology = outcome(text)
    if isinstance(topology, str):
        assert topology.startswith("t.yaml")
        assert "\n" not in topology
    else:
        cib = build(topology)
        etree.fromstring(render_cib(cib))
        render_crm(cib)


VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)
GRAMMAR = etree.RelaxNG(etree.parse(str(SCHEMAS / "pacemaker-3.7.rng")))


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,10}", fullmatch=True), VALUES, max_size=4))
def test_any_printable_value_survives_into_valid_xml(parameters: dict[str, str]) -> None:
    document = yaml.safe_load(LAB)
    document["fencing"][0]["parameters"] = parameters
    topology = outcome(yaml.safe_dump(document, default_style='"'))
    if isinstance(topology, str):
        assert "secrets never enter" in topology or "nodes of the device" in topology
        return
    root = etree.fromstring(render_cib(build(topology)))
    assert GRAMMAR.validate(root)
    path = ".//primitive[@id='power']/instance_attributes/nvpair"
    held = {item.get("name"): item.get("value") for item in root.iterfind(path)}
    assert held == {**parameters, "pcmk_host_list": "n1 n2 n3"}


GRAPHS = st.dictionaries(st.sampled_from(SERVICES), st.lists(st.sampled_from(SERVICES), max_size=3).map(tuple))


def reachable(edges: order.Edges, name: str) -> set[str]:
    found: set[str] = set()
    pending = list(edges.get(name, ()))
    while pending:
        other = pending.pop()
        if other not in found:
            found.add(other)
            pending.extend(edges.get(other, ()))
    return found


@settings(max_examples=300, deadline=None)
@given(GRAPHS, st.sets(st.sampled_from(SERVICES)))
def test_a_graph_without_some_of_its_names_orders_the_rest_as_before(edges: order.Edges, present: set[str]) -> None:
    circular = any(name in reachable(edges, name) for name in edges)
    assert bool(order.cycle(edges)) == circular
    if not circular:
        rest = {name: tuple(order.reach(edges, name, present)) for name in present}
        assert order.cycle(rest) == ()
        for name in present:
            assert reachable(rest, name) == reachable(edges, name) & present
