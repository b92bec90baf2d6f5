"""``quorate chaos`` refuses what it cannot do in one sentence, before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import chaos_runs as runs
import click
import pytest
from click.testing import CliRunner

from quorate.cli import chaos
from quorate.cli.main import quorate_command
from quorate.lab import faults, scenarios, suite, workloads
from quorate.lab.report import header, write
from quorate.lab.report.model import Report, read_report
from quorate.lab.run import Outcome
from quorate.lab.scenario import Scenario
from quorate.lib.problem import Failed, Problem


def refusal(*arguments: str) -> str:
    result = CliRunner().invoke(quorate_command, ["chaos", *arguments])
    assert isinstance(result.exception, Problem), result.output
    assert result.exception.exit_code == 2
    return str(result.exception)


def test_the_list_names_everything() -> None:
    result = CliRunner().invoke(quorate_command, ["chaos", "list"], terminal_width=200)
    assert result.exit_code == 0
    words = set(result.output.split())
    assert {each.name for each in scenarios.SCENARIOS} <= words
    assert {each.name for each in faults.FAULTS} <= words
    assert {kind().name for kind in workloads.WORKLOADS} <= words


def test_an_unknown_scenario() -> None:
    assert "'kill-everything'" in refusal("run", "kill-everything")


def test_a_report_is_not_written_over_anything(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    assert str(tmp_path) in refusal("run", "kill-keystone", "--report", str(tmp_path))
    assert str(tmp_path / "kept") in refusal("run", "kill-keystone", "--report", str(tmp_path / "kept"))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_without_a_report(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal("report", str(tmp_path))
    assert str(tmp_path) in refusal("report", str(tmp_path), "--markdown")
    assert str(tmp_path) in refusal("compare", str(tmp_path), str(tmp_path))


@pytest.mark.parametrize("ending", [None, Failed("the lab is gone"), KeyboardInterrupt()])
def test_the_page_is_written_once_however_the_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: BaseException | None
) -> None:
    folder = tmp_path / "out"
    plans = [replace(runs.KILL, name=name, rate=2.0) for name in ("kill-galera", "kill-keystone")]
    pages: list[int] = []

    def fake(wanted: list[Scenario], lab: object, into: Path, **_: object) -> Iterator[Outcome]:
        for number, plan in enumerate(plans, 1):
            yield runs.outcome(plan, into)
            assert [one.name for one in read_report(into).entries] == [each.name for each in plans[:number]]
            assert pages == []
        if ending:
            raise ending

    def rebuild(into: Path) -> Report:
        pages.append(len(read_report(into).entries))
        return rebuilt(into)

    rebuilt = write.rebuild
    monkeypatch.setattr(write, "rebuild", rebuild)
    monkeypatch.setattr(suite, "run_all", fake)
    monkeypatch.setattr(suite, "skipped", lambda scenarios, lab: {})
    monkeypatch.setattr(chaos, "_lab", lambda *_: object())
    monkeypatch.setattr(header, "header", lambda lab, outcomes: runs.HEADER)
    result = CliRunner().invoke(
        quorate_command,
        ["chaos", "run", *(plan.name for plan in plans), "--report", str(folder)],
        standalone_mode=False,
    )
    if ending is None:
        assert (result.exception, result.return_value) == (None, 0), result.output
    elif isinstance(ending, Failed):
        assert result.exception is ending
    else:
        assert isinstance(result.exception, KeyboardInterrupt | click.Abort | SystemExit)
    assert pages == [2]
    assert (folder / "index.html").exists()


def test_groups_are_scenarios_and_each_is_run_once() -> None:
    chosen = [scenario.name for scenario in scenarios.select(["subset", scenarios.SUBSET[0]])]
    assert chosen == list(scenarios.SUBSET)
    assert [scenario.name for scenario in scenarios.select(["all"])] == [each.name for each in scenarios.SCENARIOS]


def test_the_estimate_counts_what_is_held() -> None:
    short, long = scenarios.find("kill-keystone"), scenarios.find("stop-keystone")
    assert suite.estimate([short, long]) == pytest.approx(2 * suite.estimate([short]) + long.hold)
