"""``quorate chaos`` refuses what it cannot do in one sentence, before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from quorate.cli.main import quorate_command
from quorate.lab import faults, scenarios, suite, workloads
from quorate.lib.problem import Problem


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
    assert str(tmp_path) in refusal("compare", str(tmp_path), str(tmp_path))


def test_groups_are_scenarios_and_each_is_run_once() -> None:
    chosen = [scenario.name for scenario in scenarios.select(["subset", scenarios.SUBSET[0]])]
    assert chosen == list(scenarios.SUBSET)
    assert [scenario.name for scenario in scenarios.select(["all"])] == [each.name for each in scenarios.SCENARIOS]


def test_the_estimate_counts_what_is_held() -> None:
    short, long = scenarios.find("kill-keystone"), scenarios.find("stop-keystone")
    assert suite.estimate([short, long]) == pytest.approx(2 * suite.estimate([short]) + long.hold)
