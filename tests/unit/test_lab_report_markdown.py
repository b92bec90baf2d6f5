"""The table in Markdown: a row for each scenario, and nothing in it that would break the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import chaos_runs as runs
import pytest
from click.testing import CliRunner

from quorate.cli.main import quorate_command
from quorate.lab.checker import INVALID, UNKNOWN, Verdict
from quorate.lab.report import write
from quorate.lab.report.markdown import markdown
from quorate.lab.report.model import Entry, Report, read_report

KILL, POWER = replace(runs.KILL, rate=5.0), replace(runs.POWER, rate=5.0)


def entry(folder: Path, plan: runs.Plan) -> Entry:
    return write.entry(runs.outcome(plan, folder), folder)


def rows(text: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]


def test_a_row_for_each_scenario(tmp_path: Path) -> None:
    kill, power = entry(tmp_path, KILL), entry(tmp_path, POWER)
    lost = replace(kill, name="lost", value=INVALID, verdicts=(runs.LOST,), whole=None)
    head, rule, *table = rows(markdown(Report(runs.HEADER, (kill, power, lost))))
    assert head == [
        "scenario",
        "verdict",
        "requests not ok",
        "longest time without a success",
        "whole again after (s)",
        "lost / duplicated",
    ]
    assert rule == ["---", "---", "--:", "--:", "--:", "--:"]
    bad, requests = sum(load.bad for load in power.loads), sum(load.requests for load in power.loads)
    gap = max(load.gap for load in power.loads)
    assert bad > 0
    assert table[1] == ["power-off", "valid", f"{bad:,} / {requests:,}", f"{gap:.2f} s (queue-quorum)", "48.7", "0 / 1"]
    assert [row[0] for row in table] == ["kill-galera", "power-off", "lost"]
    assert table[2][1] == "**invalid** (valid was expected)"
    assert table[2][4:] == ["\u2013", "12 / 4"]


def test_the_header_is_one_line_with_what_a_reader_asks_first() -> None:
    first = markdown(Report(runs.HEADER, ())).splitlines()[0]
    for said in (
        "date 2026-11-22 16:20:00 UTC",
        "code quorate 0.1.0 (4ad4261fe012)",
        "topology quorate",
        "seed 7",
        "2 cores",
        "23.5 GiB",
        "kernel 6.1.0-41-cloud-amd64",
        "pacemaker 2.1.5-1+deb12u1",
        # Two of them on a line would strike out what is between.
        "nova 2:26.2.2-1\\~deb12u3",
    ):
        assert said in first
    assert "seed \u2013" in markdown(Report(replace(runs.HEADER, seed=None), ()))


def test_a_run_without_clients_has_a_row(tmp_path: Path) -> None:
    nobody = replace(entry(tmp_path, KILL), loads=(), whole=None, verdicts=(Verdict("x", UNKNOWN, ""),), value=UNKNOWN)
    (*_, row) = rows(markdown(Report(runs.HEADER, (nobody,))))
    assert row[2:] == ["\u2013", "\u2013", "\u2013", "\u2013 / \u2013"]


def test_what_was_recorded_cannot_break_the_table(tmp_path: Path) -> None:
    odd = replace(entry(tmp_path, KILL), name=f"a|b\n{runs.PLANTED}*")
    text = markdown(Report(runs.HEADER, (odd,)))
    assert len(text.splitlines()) == 5
    assert "\n| a\\|b \\<script\\>alert('\\&\"')\\</script\\> \\[31m \\* | valid |" in text


def test_a_lab_that_was_made_anew_is_mentioned(tmp_path: Path) -> None:
    kill, power = entry(tmp_path, KILL), entry(tmp_path, POWER)
    assert "anew" not in markdown(Report(runs.HEADER, (kill, power)))
    remade = replace(power, remade="after kill-galera: galera data: table a differs")
    assert markdown(Report(runs.HEADER, (kill, remade))).endswith("\n\nThe lab was made anew before power-off.\n")


# -- the command -------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    runs.save(tmp_path / "out", [runs.outcome(plan, tmp_path / "out") for plan in (KILL, POWER)])
    (tmp_path / "out" / write.PAGE).unlink()
    return tmp_path / "out"


def test_the_command_prints_it_or_writes_it(folder: Path, tmp_path: Path) -> None:
    def report(*given: str) -> str:
        result = CliRunner().invoke(quorate_command, ["chaos", "report", *given], standalone_mode=False)
        assert result.exception is None, result.output
        return result.output

    wanted = markdown(read_report(folder))
    assert report(str(folder), "--markdown", "-") == wanted
    assert report(str(folder), "--markdown").strip() == str(folder / "report.md")
    assert report(str(folder), "--markdown", str(tmp_path / "docs" / "run.md")).strip() == str(tmp_path / "docs/run.md")
    for path in (folder / "report.md", tmp_path / "docs" / "run.md"):
        assert path.read_text(encoding="utf-8") == wanted
    assert not (folder / write.PAGE).exists(), "only what was asked for"
    assert report(str(folder)).strip() == str(folder / write.PAGE)
    assert (folder / write.PAGE).exists()
