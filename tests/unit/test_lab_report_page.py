"""The page of a report: whole, escaped, needing nothing from outside, and small."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import chaos_runs as runs
import lxml.html
import pytest
from lxml import etree

from quorate.lab.checker import UNKNOWN, Verdict
from quorate.lab.history import History, Mark
from quorate.lab.report import html, write
from quorate.lab.report.axis import Axis, axis
from quorate.lab.report.model import Moment
from quorate.lab.report.timeline import timeline
from quorate.lab.report.track import away, track
from quorate.lab.run import Outcome

KILL, POWER = replace(runs.KILL, rate=5.0), replace(runs.POWER, rate=5.0)
BAD = replace(
    POWER,
    name="power-off-with-losses",
    error=runs.PLANTED,
    about=f"about {runs.PLANTED}",
    injected=f"seen {runs.PLANTED}",
    trouble=f"trouble {runs.PLANTED}",
    events=[*POWER.events, (2.0, runs.PLANTED, "n1", runs.PLANTED), (2.5, "failed", "", f"failed {runs.PLANTED}")],
    verdicts=(runs.LOST, Verdict(f"c{runs.PLANTED}", UNKNOWN, f"w{runs.PLANTED}", {runs.PLANTED: runs.PLANTED})),
)


def page(folder: Path, *outcomes: Outcome) -> str:
    runs.save(folder, outcomes)
    return (folder / "index.html").read_text(encoding="utf-8")


def parsed(text: str) -> lxml.html.HtmlElement:
    """The page, if every element is closed where it must be: as XML, but for the elements that are never closed."""
    body = re.sub(r"<(meta|br)([^>]*)>", r"<\1\2/>", text.removeprefix("<!DOCTYPE html>\n"))
    etree.fromstring(body.encode())
    return lxml.html.fromstring(text)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    return page(folder, runs.outcome(KILL, folder), runs.outcome(BAD, folder))


def test_it_is_well_formed_and_has_every_scenario(hostile: str) -> None:
    tree = parsed(hostile)
    assert [heading.text for heading in tree.findall(".//section/header/h2")] == [KILL.name, BAD.name]
    targets = {str(each.get("id")) for each in tree.iter() if each.get("id")}
    links = [str(link.get("href")) for link in tree.iter("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= targets
    assert len(tree.findall(".//figure")) == 2


def test_nothing_that_was_recorded_is_markup(hostile: str) -> None:
    tree = parsed(hostile)
    assert list(tree.iter("script")) == []
    assert "<script" not in hostile
    said = "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;\ufffd[31m\ufffd"
    # The injection's words, the trouble, an event, the offending operation, an error's tooltip, a verdict.
    for before in ("About ", "Seen ", "trouble ", ": ", "failed ", "ok (", "\u00d7 ", "<td>c", "<td>w"):
        assert f"{before}{said}" in hostile


def test_it_needs_nothing_from_outside(hostile: str) -> None:
    tree = parsed(hostile)
    for element in tree.iter():
        for name, value in element.attrib.items():
            if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                assert not re.match(r"(?i)\s*([a-z]+:|//)", value), (element.tag, name, value)
    assert "@import" not in hostile
    assert set(re.findall(r"url\(([^)]*)\)", hostile)) <= {"#hatch", "#gone"}
    assert not {"link", "iframe", "img", "object"} & {element.tag for element in tree.iter()}


def test_offending_operations_are_there_and_folded(hostile: str) -> None:
    (section,) = (one for one in parsed(hostile).iter("section") if one.findtext("header/h2") == BAD.name)
    folded = [block for block in section.iter("details") if "queue-quorum" in (block.findtext("summary") or "")]
    assert [len(block.findall("ol/li")) for block in folded] == [2]
    assert "12 acknowledged messages lost" in section.text_content()


def test_one_scenario_has_the_same_page(tmp_path: Path) -> None:
    tree = parsed(page(tmp_path, runs.outcome(KILL, tmp_path)))
    assert tree.findtext(".//title") == f"Chaos report: {KILL.name}, 2026-11-22 16:20:00 UTC"
    assert len(tree.findall(".//section")) == 1
    assert "kill-galera is valid, as expected." in tree.text_content()


def test_thirty_scenarios_stay_small(tmp_path: Path) -> None:
    text = page(tmp_path, *runs.thirty(tmp_path, rate=4.0))
    assert len(parsed(text).findall(".//section")) == 30
    assert len(text) < 5_000_000


def test_a_history_that_is_gone_leaves_a_page_that_says_so(tmp_path: Path) -> None:
    page(tmp_path, runs.outcome(KILL, tmp_path))
    (tmp_path / KILL.name / "history.jsonl").unlink()
    write.rebuild(tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "There is no picture: its history is not in the report&#39;s folder." in text
    assert "What the clients saw" in text


def test_a_run_that_ended_at_once_has_a_page(tmp_path: Path) -> None:
    outcome = runs.outcome(KILL, tmp_path)
    empty = History({"type": "run", "workloads": ["sql-set"], "wall": 0.0}, (), (Mark("end", 0.5, 0.5),))
    runs.dump(empty, outcome.folder / "history.jsonl")
    early = replace(outcome, history=empty, verdicts=(), trouble="the load sql-set has too little success to begin")
    text = page(tmp_path, early)
    parsed(text)
    assert "There is no picture: nothing happened in this run." in text
    assert "? unknown" in text


def test_a_lab_that_was_made_anew_before_a_scenario_is_mentioned_there(tmp_path: Path) -> None:
    first, second = runs.outcome(KILL, tmp_path), runs.outcome(POWER, tmp_path)
    tree = parsed(page(tmp_path, first, replace(second, remade="after kill-galera: galera data: a table differs")))
    said = [section.text_content() for section in tree.iter("section")]
    assert "made anew" not in said[0]
    assert "The lab was made anew before this: after kill-galera: galera data: a table differs" in said[1]


# -- pictures ----------------------------------------------------------------------------------------------


def test_the_axis_counts_from_the_fault_and_leaves_the_warm_up_out(tmp_path: Path) -> None:
    made = runs.history(POWER)
    across = axis(made, 100.0, 1100.0)
    assert across is not None
    assert across.zero == 7.2
    assert across.start == min(each.began for each in made.ops)
    assert across.x(across.start) == 100.0
    assert across.x(across.end) == 1100.0
    assert across.x(-5.0) == 100.0
    labels = [label for _, label in across.ticks()]
    assert "0" in labels
    assert labels == sorted(labels, key=float)
    late = Axis(0.0, 4000.0, 0.0, 0.0, 100.0)
    assert len(list(late.ticks())) < 4
    longer = History(
        made.header, made.ops, tuple(replace(m, t=m.t + 40) if m.name == "fault" else m for m in made.marks)
    )
    shown = axis(longer, 0.0, 1.0)
    assert shown is not None
    assert shown.start == pytest.approx(27.2)


def test_the_picture_has_a_lane_per_workload_and_a_track_per_node(tmp_path: Path) -> None:
    outcome = runs.outcome(POWER, tmp_path)
    drawn = timeline(write.entry(outcome, tmp_path), outcome.history)
    assert drawn is not None
    tree = etree.fromstring(drawn.encode())
    names = [text.text for text in tree.iter("text") if text.get("class") == "name"]
    assert names == [*runs.LOADS, *runs.NODES]
    phases = " ".join(text.text or "" for text in tree.iter("text") if text.get("class") == "phase")
    assert phases == "fault \u00b7 injected 0.11 s healing 6.00 s \u00b7 healed 6.20 s whole again 48.7 s"
    assert any("Lost connection" in (title.text or "") for title in tree.iter("title"))
    (ok, *_) = (path for path in tree.iter("path") if path.get("class") == "ok")
    assert "nan" not in (ok.get("d") or "")


def test_an_unknown_kind_of_event_is_drawn_too() -> None:
    drawn, high = track("n1", [Moment(1.0, "novelty", "n1", "something new")], Axis(0, 10, 0, 0, 100), 0.0)
    assert "+1.00 s novelty: something new" in drawn
    assert high > 0


def test_a_node_is_away_until_it_joins_again() -> None:
    lost, joined = (Moment(t, kind, "n2", "") for t, kind in ((2.0, "membership-lost"), (5.0, "membership-joined")))
    assert list(away([lost, joined], 9.0)) == [(2.0, 5.0)]
    assert list(away([lost, replace(lost, t=3.0)], 9.0)) == [(2.0, 9.0)]
    assert list(away([joined], 9.0)) == []


def test_elements_escape_what_is_not_an_element() -> None:
    made = html.tag("p", "<b>", html.tag("b", "x"), None, ["&", html.Html("<br>")], class_='a"b', data_x=1.0)
    assert made == '<p class="a&quot;b" data-x="1">&lt;b&gt;<b>x</b>&amp;<br></p>'
    assert html.escape("\ud800\x85\x1b") == "\ufffd\ufffd\ufffd"
    assert [html.num(value) for value in (0.0, -0.01, 1.04, 1.26)] == ["0", "0", "1", "1.3"]
