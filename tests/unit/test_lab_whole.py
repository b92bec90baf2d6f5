"""A lab between two scenarios: it serves again, the audits find nothing, or it is made anew; and the report says so."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import chaos_runs as runs
import pytest

from quorate.lab import audit, run, services, suite, whole
from quorate.lab.audit import Finding
from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict
from quorate.lab.fault import Injected
from quorate.lab.progress import Progress
from quorate.lab.scenario import Scenario
from quorate.lib.problem import Failed, Problem

DIFFERS = Finding("galera data", INVALID, "table a differs")
FINE = Finding("resources", VALID, "all active")
UNSEEN = Finding("cib copies", UNKNOWN, "n1 cannot be asked")


class Lab:
    """What is done to a lab, and what it answers."""

    name = "fake"
    nodes = ("n1", "n2")

    def __init__(self) -> None:
        self.done: list[str] = []
        self.lacks: tuple[str, ...] = ()
        self.found: tuple[Finding, ...] = (FINE,)
        self.asked: list[str] = []
        """The CIB that each round of audits compared with."""

    def missing(self) -> tuple[str, ...]:
        return self.lacks

    def clones(self) -> dict[str, int]:
        return {"galera-clone": 0}

    def address(self, node: str) -> str:
        return node

    def cleanup(self) -> None:
        self.done.append("cleanup")

    def mend(self) -> None:
        self.done.append("made anew")
        self.lacks, self.found = (), (FINE,)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    made = Lab()

    def audited(of: Lab, cib_before: str = "", patience: float = 0.0) -> Iterator[Finding]:
        of.asked.append(cib_before)
        yield from of.found

    monkeypatch.setenv("QUORATE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(audit, "audit", audited)
    monkeypatch.setattr(services.Service, "silent", lambda self, address, timeout=2.0: "")
    monkeypatch.setattr(whole, "PATIENCE", 0.0)
    return made


class Told(Progress):
    def __init__(self) -> None:
        self.steps: list[str] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.steps.append(title)
        yield


# -- whole or not --------------------------------------------------------------------------------------------


def test_a_service_that_is_silent_is_wanting_before_the_cluster_has_noticed(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert whole.wanting(lab) == ()
    silent = {"n2": "does not answer (timed out)"}
    monkeypatch.setattr(services.Service, "silent", lambda self, address, timeout=2.0: silent.get(address, ""))
    assert whole.wanting(lab) == ("galera on n2 does not answer (timed out)",)
    with pytest.raises(Failed, match="'fake' is not whole after 0 s: galera on n2 does not answer"):
        whole.wait_whole(lab, 0.0)


def test_a_cluster_that_stops_answering_in_between_is_wanting(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(of: Lab) -> dict[str, int]:
        raise Failed("node n1: no answer")

    monkeypatch.setattr(Lab, "clones", gone)
    assert whole.wanting(lab) == ("node n1: no answer",)


def test_what_the_audits_cannot_see_is_no_finding(lab: Any) -> None:
    lab.found = (FINE, UNSEEN, DIFFERS)
    assert whole.findings(lab) == {"galera data": "table a differs"}


def test_a_lab_that_is_whole_is_left_alone(lab: Any) -> None:
    keeper = whole.Keeper(lab, lab.mend)
    assert keeper.restore("before") == ""
    assert keeper.restore("before", audited=True) == ""
    assert lab.done == ["cleanup", "cleanup"]
    assert lab.asked == ["before"], "what was audited since the last fault is not audited again"


@pytest.mark.parametrize("audited", [False, True])
def test_a_lab_that_does_not_serve_is_made_anew(lab: Any, audited: bool) -> None:
    lab.lacks = ("node n2 is offline",)
    told = Told()
    why = whole.Keeper(lab, lab.mend, told).restore(audited=audited)
    assert why == "the lab 'fake' is not whole after 0 s: node n2 is offline"
    assert lab.done == ["cleanup", "made anew"]
    assert told.steps == ["seeing that the lab is whole", f"making the lab anew: {why}"]


def test_a_lab_that_serves_but_differs_is_made_anew(lab: Any) -> None:
    lab.found = (FINE, DIFFERS)
    keeper = whole.Keeper(lab, lab.mend)
    assert keeper.restore() == "galera data: table a differs"
    assert lab.done == ["cleanup", "made anew"]


def test_what_is_found_in_a_lab_just_made_is_no_reason_to_make_it_again(lab: Any) -> None:
    stray = Finding("processes", INVALID, "a process of nobody")

    def mend() -> None:
        lab.done.append("made anew")
        lab.found = (stray,)

    lab.found = (stray, DIFFERS)
    keeper = whole.Keeper(lab, mend)
    assert keeper.restore() == "processes: a process of nobody; galera data: table a differs"
    assert keeper.restore() == ""
    lab.found = (stray, DIFFERS)
    assert keeper.restore() == "galera data: table a differs"
    assert lab.done.count("made anew") == 2


def test_without_means_to_make_it_anew_it_is_a_failure(lab: Any) -> None:
    lab.found = (DIFFERS,)
    with pytest.raises(Failed, match="the lab 'fake' is not whole: galera data: table a differs"):
        whole.Keeper(lab).restore()


def test_at_the_end_it_has_to_serve_and_keeps_what_was_found(lab: Any) -> None:
    lab.found = (DIFFERS,)
    keeper = whole.Keeper(lab, lab.mend)
    keeper.settle()
    assert lab.done == ["cleanup"]
    lab.lacks = ("no quorum",)
    keeper.settle()
    assert lab.done == ["cleanup", "cleanup", "made anew"]


# -- several scenarios ---------------------------------------------------------------------------------------

AUDITED = Verdict("audits", VALID, "11 audits found nothing")


@dataclass
class Breaks:
    """A fault by name, and what it leaves behind in the lab."""

    name: str
    leaves: dict[str, Any] = field(default_factory=dict)
    audits: Verdict | None = AUDITED
    why: str = ""
    interrupted: bool = False
    about: str = "something breaks"

    def available(self, lab: object) -> str:
        return self.why

    @contextmanager
    def inject(self, lab: object, chance: random.Random) -> Iterator[Injected]:
        yield Injected((), "")


@pytest.fixture
def ran(lab: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every scenario runs at once, and leaves what its fault says."""

    def fake(scenario: Scenario, of: Lab, folder: Path, *, seed: int | None, progress: Progress) -> run.Outcome:
        with run.alone(of):  # type: ignore[arg-type]
            of.done.append(scenario.name)
        fault: Any = scenario.fault
        for name, value in fault.leaves.items():
            setattr(of, name, value)
        outcome = runs.outcome(replace(runs.KILL, name=scenario.name, rate=2.0), folder.parent)
        (folder / "cib-before.xml").write_text(f"before {scenario.name}")
        verdicts = (fault.audits,) if fault.audits else ()
        return replace(outcome, verdicts=verdicts, interrupted=fault.interrupted)

    monkeypatch.setattr(run, "run", fake)
    return lab


def scenarios(*faults: Breaks) -> list[Scenario]:
    return [Scenario(fault.name, fault.about, fault) for fault in faults]


def test_what_one_scenario_leaves_is_gone_before_the_next_and_the_outcome_says_so(ran: Any, tmp_path: Path) -> None:
    spoils = Breaks("a", {"found": (DIFFERS,)}, Verdict("audits", INVALID, "galera data: table a differs"))
    told = Told()
    made = list(suite.run_all(scenarios(spoils, Breaks("b"), Breaks("c")), ran, tmp_path, mend=ran.mend, progress=told))
    assert [outcome.remade for outcome in made] == ["", "after a: galera data: table a differs", ""]
    assert ran.done == ["cleanup", "a", "cleanup", "made anew", "b", "cleanup", "c", "cleanup"]
    assert ran.asked == ["", "before a", ""], "first, after the finding, and the new lab"
    assert [step for step in told.steps if "anew" in step] == ["making the lab anew: galera data: table a differs"]


def test_a_run_without_audits_is_audited_before_the_next(ran: Any, tmp_path: Path) -> None:
    """It was cut short before them."""
    cut = Breaks("a", {"found": (DIFFERS,)}, audits=None)
    made = list(suite.run_all(scenarios(cut, Breaks("b")), ran, tmp_path, mend=ran.mend))
    assert made[1].remade == "after a: galera data: table a differs"


def test_a_lab_that_was_spoilt_before_the_first_is_made_anew(ran: Any, tmp_path: Path) -> None:
    ran.found = (DIFFERS,)
    (outcome,) = suite.run_all(scenarios(Breaks("a")), ran, tmp_path, mend=ran.mend)
    assert outcome.remade == "galera data: table a differs"
    assert ran.done == ["cleanup", "made anew", "a", "cleanup"]


def test_an_interrupted_run_is_the_last_and_nothing_is_waited_for(ran: Any, tmp_path: Path) -> None:
    broken = Breaks("a", {"lacks": ("no quorum",)}, interrupted=True)
    made = list(suite.run_all(scenarios(broken, Breaks("b")), ran, tmp_path, mend=ran.mend))
    assert [outcome.interrupted for outcome in made] == [True]
    assert ran.done == ["cleanup", "a"]


def test_what_a_lab_cannot_have_is_left_out_of_several_and_refused_alone(ran: Any, tmp_path: Path) -> None:
    impossible = Breaks("a", why="there is no disk")
    with pytest.raises(Problem, match="scenario a: there is no disk"):
        list(suite.run_all(scenarios(impossible), ran, tmp_path, mend=ran.mend))
    assert ran.done == []
    made = list(suite.run_all(scenarios(impossible, Breaks("b")), ran, tmp_path, mend=ran.mend))
    assert [outcome.scenario.name for outcome in made] == ["b"]


def test_a_lab_that_another_run_hurts_is_not_touched(ran: Any, tmp_path: Path) -> None:
    ran.found = (DIFFERS,)
    with run.alone(ran), pytest.raises(Failed, match="is being hurt by another command"):
        list(suite.run_all(scenarios(Breaks("a")), ran, tmp_path, mend=ran.mend))
    assert ran.done == []
