"""The lists of faults and scenarios, and healing that goes on when a part of it fails."""

from __future__ import annotations

import dataclasses
import re

import pytest

from quorate.lab import faults, scenarios, workloads
from quorate.lab.faults import mending
from quorate.lab.services import SERVICES
from quorate.lib.problem import Failed, Problem

KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def names(things: object) -> list[str]:
    return [thing.name for thing in things]  # type: ignore[attr-defined]


def test_names_are_unique_and_fit_a_command_line() -> None:
    for listed in (names(faults.FAULTS), names(scenarios.SCENARIOS)):
        assert len(set(listed)) == len(listed)
        assert [name for name in listed if not KEBAB.fullmatch(name)] == []


def test_each_has_one_line_about_it() -> None:
    for thing in (*faults.FAULTS, *scenarios.SCENARIOS):
        assert thing.about
        assert "\n" not in thing.about
        assert len(thing.about) <= 120, thing.about


def test_faults_cannot_be_changed() -> None:
    for fault in faults.FAULTS:
        with pytest.raises(dataclasses.FrozenInstanceError):
            fault.name = "another"  # type: ignore[misc]


def test_every_service_is_killed_ended_and_stopped() -> None:
    listed = set(names(scenarios.SCENARIOS))
    assert {f"{signal}-{service.name}" for signal in ("kill", "term", "stop") for service in SERVICES} <= listed


def test_every_load_exists() -> None:
    for scenario in scenarios.SCENARIOS:
        assert [workloads.make(name).name for name in scenario.workloads] == list(scenario.workloads)


def test_the_subset_is_a_subset() -> None:
    assert [scenarios.find(name).name for name in scenarios.SUBSET] == list(scenarios.SUBSET)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(Problem, match="no fault 'x'"):
        faults.find("x")
    with pytest.raises(Problem, match="no scenario 'x'"):
        scenarios.find("x")


def test_healing_goes_on_after_a_part_of_it_failed() -> None:
    done: list[str] = []

    def fails() -> None:
        raise Failed("n1 does not answer")

    with (
        pytest.raises(Failed, match="healing is incomplete: n1 does not answer"),
        mending.healed_by(fails, lambda: done.append("second")),
    ):
        done.append("hurt")
    assert done == ["hurt", "second"]


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), Failed("not whole")])
def test_failed_healing_does_not_hide_why_the_run_ended(ending: BaseException) -> None:
    def fails() -> None:
        raise Failed("n1 does not answer")

    with pytest.raises(type(ending)) as caught, mending.healed_by(fails):
        raise ending
    assert caught.value is ending
    assert ending.__notes__ == ["healing: n1 does not answer"]
