"""Two reports side by side, as values, as a page and on a terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import chaos_runs as runs
import lxml.html
import pytest
from rich.console import Console

from quorate.cli import chaos_report
from quorate.lab.report import comparison, write
from quorate.lab.report.compare import compare, write_page
from quorate.lab.report.comparison import COUNT, LATENCY, SECONDS, Comparison, Figure
from quorate.lib.problem import Problem

KILL, POWER = replace(runs.KILL, rate=5.0), replace(runs.POWER, rate=5.0)
OTHER = replace(runs.HEADER, agents={name: f"ocf:heartbeat:{name}" for name in runs.HEADER.agents})


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    a, b = (tmp_path_factory.mktemp(name) for name in "ab")
    only_a, only_b = replace(KILL, name="only-in-a"), replace(KILL, name="only-in-b")
    runs.save(a, [runs.outcome(plan, a) for plan in (KILL, POWER, only_a)])
    worse = replace(KILL, whole=28.6, verdicts=(runs.LOST,))
    runs.save(b, [runs.outcome(plan, b) for plan in (only_b, POWER, worse)], OTHER)
    return compare(a, b)


def test_the_scenarios_of_both_in_the_order_of_the_first(both: Comparison) -> None:
    assert [(pair.name, pair.a, pair.b) for pair in both.pairs] == [
        ("kill-galera", "valid", "invalid"),
        ("power-off", "valid", "valid"),
    ]
    assert (both.a.only, both.b.only) == (("only-in-a",), ("only-in-b",))


def test_every_figure_has_both_values_and_their_ratio(both: Comparison) -> None:
    kill, power = both.pairs
    whole = kill.figure("all whole")
    assert (whole.a, whole.b, whole.ratio, whole.tendency) == (14.3, 28.6, 2.0, 1)
    assert (kill.figure("lost").a, kill.figure("lost").b) == (0, 12)
    assert {one.tendency for one in power.figures} == {0}
    assert [one.name for one in kill.figures][5:11] == [
        f"keystone: {name}"
        for name in ("requests not ok", "first to last error", "longest gap", "p95 before", "p95 during", "p99 during")
    ]
    gaps = [one.a for one in kill.figures if one.name.endswith("longest gap") and one.a is not None]
    assert comparison.worst_gap(kill).a == max(gaps)
    assert kill.figure("no such figure").a is None


def test_ratios_and_tendencies() -> None:
    assert Figure("x", 4.0, 1.0, SECONDS).ratio == 0.25
    assert Figure("x", 0.0, 1.0, SECONDS).ratio is None
    assert Figure("x", None, 1.0, SECONDS).ratio is None
    said = [
        Figure("x", a, b, unit).tendency
        for a, b, unit in (
            (4.0, 1.0, SECONDS),
            (0.1, 0.4, SECONDS),
            (100.0, 110.0, SECONDS),
            (0, 1, COUNT),
            (0.005, 0.012, LATENCY),
            (0.005, 0.120, LATENCY),
            (None, 1.0, SECONDS),
        )
    ]
    assert said == [-1, 0, 0, 1, 0, 1, 0]


def test_the_page(both: Comparison, tmp_path: Path) -> None:
    write_page(tmp_path / "new" / "side.html", both)
    text = (tmp_path / "new" / "side.html").read_text(encoding="utf-8")
    tree = lxml.html.fromstring(text)
    assert [heading.text for heading in tree.findall(".//section/header/h2")] == ["kill-galera", "power-off"]
    said = tree.text_content()
    assert "Only in A" in said
    assert "only-in-b" in said
    assert "ocf:heartbeat:galera" in said
    assert "\u00d72.00" in said
    assert not [link for link in tree.iter("a") if not str(link.get("href")).startswith("#")]
    write_page(tmp_path / "again.html", both)
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == text


def test_two_reports_with_nothing_in_common(tmp_path: Path) -> None:
    for name, plan in (("a", KILL), ("b", POWER)):
        runs.save(tmp_path / name, [runs.outcome(plan, tmp_path / name)])
    both = compare(tmp_path / "a", tmp_path / "b")
    assert both.pairs == ()
    write_page(tmp_path / "side.html", both)
    said = printed(lambda console: chaos_report.comparison(console, both))
    assert "they have no scenario in common" in said
    assert "only in A: kill-galera" in said


@pytest.mark.parametrize("which", [0, 1])
def test_a_folder_that_is_no_report_is_refused_with_its_name(tmp_path: Path, which: int) -> None:
    runs.save(tmp_path / "good", [runs.outcome(KILL, tmp_path / "good")])
    (tmp_path / "bad").mkdir()
    folders = [tmp_path / "good", tmp_path / "good"]
    folders[which] = tmp_path / "bad"
    for text, said in (
        (None, "bad: there is no report here: it has no report.json"),
        ("{", "bad/report.json:1: not JSON: "),
        ('{"format": 99}', "bad/report.json: format 99 is newer than this version of quorate, which reads up to 1"),
        ('{"format": 1}', "bad/report.json: header is missing"),
    ):
        if text is not None:
            (tmp_path / "bad" / "report.json").write_text(text)
        with pytest.raises(Problem) as caught:
            compare(*folders)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


# -- on a terminal -----------------------------------------------------------------------------------------


def printed(show: object, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width)
    assert callable(show)
    show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_comparison_on_a_terminal(both: Comparison) -> None:
    said = printed(lambda console: chaos_report.comparison(console, both))
    (line,) = (line for line in said.splitlines() if line.split()[:1] == ["kill-galera"])
    assert line.split()[1:9] == ["\u2713", "valid", "\u2717", "invalid", "14.3", "s", "28.6", "s"]
    assert "(ocf:heartbeat; " in said
    assert "only in A: only-in-a" in said


def test_the_summary(tmp_path: Path) -> None:
    lost = replace(POWER, verdicts=(runs.LOST,), trouble="[bold]not whole[/bold]")
    entries = [write.entry(runs.outcome(plan, tmp_path), tmp_path) for plan in (KILL, lost)]
    said = printed(lambda console: chaos_report.summary(console, entries))
    lines = {line.split()[0]: line.split() for line in said.splitlines() if line.strip()}
    assert lines["kill-galera"][1:3] == ["\u2713", "valid"]
    assert "48.7" in lines["power-off"] or "power-off:" in lines
    assert "power-off: queue-quorum is invalid: 12 acknowledged messages lost, 0 that nobody published" in said
    assert "power-off: [bold]not whole[/bold]" in said
    assert said.splitlines()[-1] == "2 scenarios: 1 valid and 1 invalid; 1 not as expected."
    assert "\u2026" not in said


def test_one_scenario_and_the_list(tmp_path: Path) -> None:
    outcome = runs.outcome(KILL, tmp_path)
    said = printed(lambda console: chaos_report.one(console, outcome, 3, 30))
    assert said.startswith("3/30 kill-galera: \u2713 valid  Noticed after 3.90 s")
    said = printed(lambda console: chaos_report.listing(console, {"Faults": [("kill-x", "kill -9 [x]")], "None": []}))
    assert "kill-x  kill -9 [x]" in said
    assert "no scenario ran" in printed(lambda console: chaos_report.summary(console, []))
