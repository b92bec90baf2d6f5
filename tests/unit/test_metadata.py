"""The XML of an awkward declaration survives a parser, in both forms."""

from __future__ import annotations

import pytest
from lxml import etree

from quorate.lib.agent import Agent
from quorate.lib.declare import Action, Parameter
from quorate.lib.metadata import escape, render

AWKWARD = """<&>"' ]]> é \u2028 tail"""


class Awkward(Agent):
    name = "awk&ward"
    shortdesc = AWKWARD
    longdesc = AWKWARD
    parameters = (
        Parameter("text", default=AWKWARD, shortdesc=AWKWARD, longdesc=AWKWARD, unique_group="a&b"),
        Parameter("pick", "select", "<a>", choices=("<a>", 'b"b'), shortdesc="pick", reloadable=True),
        Parameter("wait", "time", "5s", shortdesc="wait"),
        Parameter("must", required=True, shortdesc="must"),
        Parameter("empty", default="", shortdesc="empty"),
    )
    actions = (
        Action("start", 20),
        Action("stop", 30),
        Action("monitor", 20, 10, 0),
        Action("monitor", 20, 11, 0, "Promoted"),
        Action("reload-agent", 10),
        Action("meta-data", 5),
    )


def parsed(api: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    return etree.fromstring(render(Awkward, '1.0"<', api).encode(), parser)


@pytest.mark.parametrize("api", ["1.0", "1.1"])
def test_awkward_texts_come_back_as_they_were(api: str) -> None:
    root = parsed(api)
    assert root.get("name") == "awk&ward"
    assert root.get("version") == '1.0"<'
    assert root.findtext("version") == api
    assert root.findtext("longdesc") == root.findtext("shortdesc") == AWKWARD
    text = root.find("parameters/parameter[@name='text']")
    assert text is not None
    assert text.findtext("longdesc") == AWKWARD
    content = text.find("content")
    assert content is not None
    assert content.get("default") == AWKWARD


def test_api_1_1_form() -> None:
    root = parsed("1.1")
    by_name = {p.get("name"): p for p in root.iter("parameter")}
    assert by_name["text"].get("unique-group") == "a&b"
    assert by_name["must"].get("unique-group") is None
    assert [p.get("required") for p in by_name.values()] == ["0", "0", "0", "1", "0"]
    assert by_name["pick"].get("reloadable") == "1"
    assert [o.get("value") for o in by_name["pick"].iter("option")] == ["<a>", 'b"b']
    assert by_name["wait"].find("content").get("type") == "string"  # type: ignore[union-attr]
    assert by_name["must"].find("content").get("default") is None  # type: ignore[union-attr]
    assert by_name["empty"].find("content").get("default") == ""  # type: ignore[union-attr]
    assert [a.get("name") for a in root.iter("action")].count("reload-agent") == 1
    assert [a.get("role") for a in root.iter("action")].count("Promoted") == 1


def test_api_1_0_form_has_nothing_newer() -> None:
    root = parsed("1.0")
    assert all(p.get("unique") in ("0", "1") for p in root.iter("parameter"))
    assert not root.xpath("//@unique-group | //@reloadable | //option | //action[@name='reload-agent']")
    assert {c.get("type") for c in root.iter("content")} == {"string", "time"}


def test_ampersands_are_escaped_once() -> None:
    assert escape("&lt;") == "&amp;lt;"


@pytest.mark.parametrize("api", ["1.0", "1.1"])
def test_a_decoded_text_can_be_parsed(api: str) -> None:
    # crmsh hands lxml the text, and lxml refuses a text that names an encoding.
    assert etree.fromstring(render(Awkward, "1", api)).tag == "resource-agent"
