"""Every agent's metadata against OCF's own schemas, and against promises of our own."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from quorate import __version__
from quorate.agents.registry import AGENTS
from quorate.lib.agent import Agent
from quorate.lib.metadata import render

RNG = Path(__file__).parents[2].parent / "shared/ocf/ra-api-1.1.rng"
DTD = Path("/usr/share/resource-agents/ra-api-1.dtd")
# What the 1.0 document type knows.
ACTIONS_1_0 = {
    "start",
    "stop",
    "recover",
    "monitor",
    "restart",
    "migrate_to",
    "migrate_from",
    "promote",
    "demote",
    "notify",
    "status",
    "reload",
    "meta-data",
    "usage",
    "methods",
    "validate-all",
}
TYPES_1_0 = {"string", "integer", "boolean", "time"}
TYPES_1_1 = {"string", "integer", "boolean", "select"}

every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda a: a.name)


def document(agent: type[Agent], api: str) -> etree._Element:
    return etree.fromstring(render(agent, __version__, api).encode(), etree.XMLParser(load_dtd=False, no_network=True))


@every_agent
@pytest.mark.skipif(not RNG.parent.is_dir(), reason="OCF's schema is not beside the checkout")
def test_valid_against_the_official_1_1_schema(agent: type[Agent]) -> None:
    schema = etree.RelaxNG(etree.parse(RNG))
    assert schema.validate(document(agent, "1.1")), schema.error_log


@pytest.mark.skipif(not RNG.parent.is_dir(), reason="OCF's schema is not beside the checkout")
def test_the_schema_refuses_what_is_wrong() -> None:
    root = document(AGENTS[0], "1.1")
    root.remove(root.find("actions"))  # type: ignore[arg-type]
    assert not etree.RelaxNG(etree.parse(RNG)).validate(root)


@every_agent
@pytest.mark.skipif(not DTD.exists(), reason="the resource-agents package is not installed here")
def test_valid_against_the_1_0_document_type(agent: type[Agent]) -> None:
    dtd = etree.DTD(str(DTD))
    assert dtd.validate(document(agent, "1.0")), dtd.error_log


@every_agent
def test_the_1_0_form_holds_nothing_newer(agent: type[Agent]) -> None:
    root = document(agent, "1.0")
    assert root.findtext("version") == "1.0"
    assert [child.tag for child in root] == ["version", "longdesc", "shortdesc", "parameters", "actions"]
    assert {a.get("name") for a in root.iter("action")} <= ACTIONS_1_0
    assert {c.get("type") for c in root.iter("content")} <= TYPES_1_0
    assert all(set(p.attrib) <= {"name", "required", "unique"} for p in root.iter("parameter"))
    assert all(set(c.attrib) <= {"type", "default"} and len(c) == 0 for c in root.iter("content"))
    assert all(set(a.attrib) <= {"name", "timeout", "interval", "role", "depth"} for a in root.iter("action"))


@every_agent
def test_structure_of_the_1_1_form(agent: type[Agent]) -> None:
    root = document(agent, "1.1")
    assert root.tag == "resource-agent"
    assert (root.get("name"), root.get("version")) == (agent.name, __version__)
    assert root.findtext("version") == "1.1"
    assert (root.findtext("shortdesc") or "").strip()
    assert "\n" not in (root.findtext("shortdesc") or "")
    assert len(root.findtext("longdesc") or "") > 80
    names = [p.get("name") for p in root.iter("parameter")]
    assert len(names) == len(set(names))
    for parameter in root.iter("parameter"):
        content = parameter.find("content")
        assert content is not None
        assert content.get("type") in TYPES_1_1
        assert bool(content.findall("option")) == (content.get("type") == "select")
        assert (parameter.findtext("longdesc") or "").strip()
        assert (parameter.findtext("shortdesc") or "").strip()
        # A required parameter with a default would never be missed.
        assert (parameter.get("required") == "1") <= (content.get("default") is None)


@every_agent
def test_actions(agent: type[Agent]) -> None:
    root = document(agent, "1.1")
    actions = [dict(a.attrib) for a in root.iter("action")]
    names = [a["name"] for a in actions]
    assert {"start", "stop", "monitor", "validate-all", "meta-data"} <= set(names)
    assert all(a["timeout"].removesuffix("s").isdecimal() and int(a["timeout"].removesuffix("s")) > 0 for a in actions)
    monitors = [a for a in actions if a["name"] == "monitor"]
    assert all("interval" in a and "depth" in a for a in monitors)
    # Pacemaker knows an operation by its name and interval: two monitors of one interval are one.
    assert len({a["interval"] for a in monitors}) == len(monitors)
    assert "0" in {a["depth"] for a in monitors}
    assert all("interval" not in a for a in actions if a["name"] != "monitor")
    assert len({(a["name"], a.get("depth"), a.get("role")) for a in actions}) == len(actions)


@every_agent
def test_rendering_is_stable(agent: type[Agent]) -> None:
    assert render(agent, "1", "1.1") == render(agent, "1", "1.1")
    assert render(agent, "1").endswith("</resource-agent>\n")
