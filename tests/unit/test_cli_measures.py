"""``quorate sentinel`` and the measures of ``quorate lab``: what they print, and what they refuse in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from quorate.cli import measures
from quorate.cli import sentinel as commands
from quorate.cli.main import quorate_command
from quorate.lab import calm, idle, reaction, sentinels
from quorate.lab.reaction import Column, Reaction
from quorate.lib.problem import Failed, Problem

SEEN = [Reaction("keystone", "n1", 0.03, 0.09, 3.5), Reaction("galera", "n2", None, 7.0, 20.0)]
STATUS = sentinels.Status(
    "n1",
    99,
    1790000000.0,
    1,
    (sentinels.Watch("keystone", "keystone", 7, "alive", 0, "", 0.4, 1),),
    (sentinels.Told(1790000100.0, "keystone", "the process ended", "told"),),
    1,
)


class Double:
    nodes = ("n1", "n2")

    def clones(self) -> dict[str, int]:
        return {"keystone-clone": 0, "galera-clone": 0, "sentinel-clone": 0}


@pytest.fixture(autouse=True)
def lab(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """No engine and no lab; whether a measurement was made with the sentinel loaded."""
    loaded: list[bool] = []

    @contextmanager
    def measuring(lab: Any, sentinel: bool, progress: Any) -> Iterator[None]:
        loaded.append(sentinel)
        yield

    for module in (measures, commands):
        monkeypatch.setattr(module, "open_lab", lambda name, client: Double())
        monkeypatch.setattr(module.engine, "connect", lambda: None)
    monkeypatch.setattr(sentinels, "measuring", measuring)
    return loaded


def run(*arguments: str) -> Result:
    return CliRunner().invoke(quorate_command, arguments, standalone_mode=False)


def refusal(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, Problem), result.output
    return str(result.exception)


def test_a_reaction_is_kept_and_put_beside_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: list[bool]
) -> None:
    asked: list[reaction.Settings] = []

    def measure(opened: Any, settings: reaction.Settings, progress: Any) -> list[Reaction]:
        asked.append(settings)
        return SEEN

    monkeypatch.setattr(reaction, "measure", measure)
    kept, page = tmp_path / "kept.json", tmp_path / "page.md"
    first = run("lab", "reaction", "--rounds", "1", "--sentinel", "--services", "keystone, galera", "--save", str(kept))
    assert first.return_value == 0, first.output
    assert lab == [True]
    assert asked[0] == reaction.Settings(1, services=("keystone", "galera"))
    assert reaction.load(kept) == Column("sentinel", "KILL", tuple(SEEN))
    assert "0.090" in first.output
    second = run("lab", "reaction", "--label", "others", "--beside", str(kept), "--markdown", str(page))
    assert second.return_value == 0, second.output
    lines = page.read_text().splitlines()
    assert "sentinel: recovery begins" in lines[2]
    assert "others: recovery begins" in lines[2]
    assert lines[4] == "| keystone | 0.090 / 0.090 | 0.090 / 0.090 | 3.50 / 3.50 | 3.50 / 3.50 |"


def test_what_cannot_be_measured_is_refused_before_anything_is_touched(tmp_path: Path, lab: list[bool]) -> None:
    kept = tmp_path / "kept.json"
    reaction.save(kept, Column("polling", "STOP", tuple(SEEN)))
    assert "the same signal" in refusal("lab", "reaction", "--beside", str(kept))
    assert "cannot be read" in refusal("lab", "reaction", "--beside", str(tmp_path / "none"))
    assert "no 'heat'" in refusal("lab", "reaction", "--services", "heat")
    assert "--scale 0" in refusal("lab", "calm", "--scale", "0")
    assert lab == []


@pytest.mark.parametrize("alarms", [(), ("10:00:00 n1: asyncmon of galera: error",)])
def test_a_false_report_is_a_failure_of_calm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, alarms: tuple[str, ...]
) -> None:
    result = calm.Result("planned", "2 planned stops and starts", 30.0, alarms, len(alarms), (), (), 100, 1)

    def measure(opened: Any, settings: calm.Settings, progress: Any, done: Any) -> list[calm.Result]:
        assert settings.planned == 2
        done(result)
        return [result]

    monkeypatch.setattr(calm, "measure", measure)
    page = tmp_path / "out" / "calm.md"
    seen = run("lab", "calm", "--scale", "0.01", "--markdown", str(page))
    assert seen.return_value == (1 if alarms else 0), seen.output
    assert ("false report: 10:00:00 n1" in seen.output) == bool(alarms)
    assert f"| planned: 2 planned stops and starts | 30 s | {len(alarms)} | 0 | 0 | 100 | 1 |" in page.read_text()


def test_the_idle_cost_as_json(monkeypatch: pytest.MonkeyPatch, lab: list[bool]) -> None:
    cost = idle.Cost("n1", 60.0, 0.05, 0.03, 0.001, 0.01, 0.005, 18 << 20)
    monkeypatch.setattr(idle, "measure", lambda opened, seconds, progress: [cost] if seconds == 60 else [])
    seen = run("lab", "idle-cost", "--seconds", "60", "--json")
    assert seen.return_value == 0, seen.output
    assert json.loads(seen.stdout)[0]["actions"] == 0.03
    assert lab == [False]


def test_the_status_of_all_nodes_and_of_one_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def status(opened: Any, node: str) -> sentinels.Status:
        if node == "n2":
            raise Failed("node n2: the sentinel does not tell its status: gone")
        return STATUS

    monkeypatch.setattr(sentinels, "status", status)
    seen = run("sentinel", "status")
    assert seen.return_value == 1
    assert "keystone: the process ended: told" in seen.output
    assert "0.4 s ago" in seen.output
    assert "n2: the sentinel does not tell its status" in seen.output
    one = run("sentinel", "status", "--node", "n1", "--json")
    assert one.return_value == 0
    said = json.loads(one.stdout)
    assert said["silent"] == {}
    assert said["nodes"][0]["watched"][0]["state"] == "alive"
