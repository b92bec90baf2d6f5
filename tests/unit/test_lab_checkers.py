"""What all checkers share: how a verdict comes about, and that nothing doubtful passes for success."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from histories import LOAD, Told

from quorate.lab.checker import INVALID, SHOWN, UNKNOWN, VALID, Checker, Verdict, judge, quote, worst
from quorate.lab.checkers.audits import Audits
from quorate.lab.checkers.availability import Availability
from quorate.lab.checkers.bank import BankChecker
from quorate.lab.checkers.catalogue import CatalogueChecker
from quorate.lab.checkers.finding import ENOUGH, Offences, conclude, once, too_little
from quorate.lab.checkers.queue import QueueChecker
from quorate.lab.checkers.recovery import Recovery
from quorate.lab.checkers.register import RegisterChecker
from quorate.lab.checkers.sets import SetChecker
from quorate.lab.checkers.tokens import TokenChecker
from quorate.lab.history import AUDIT, History

ALL: tuple[Checker, ...] = (
    Audits(),
    Availability(LOAD),
    BankChecker(LOAD, 30, 3),
    CatalogueChecker(LOAD),
    QueueChecker(LOAD),
    Recovery(),
    RegisterChecker(LOAD),
    SetChecker(LOAD, "insert", "read"),
    TokenChecker(LOAD),
)


def kinds(verdict: Verdict) -> set[str]:
    """The kinds of offences that *verdict* quotes."""
    return {text.partition(":")[0] for text in verdict.offending}


@pytest.mark.parametrize("checker", ALL, ids=lambda checker: type(checker).__name__)
class TestEvery:
    def test_an_empty_history_says_nothing(self, checker: Checker) -> None:
        assert checker.check(History({}, (), ())).value == UNKNOWN

    def test_another_workload_s_operations_say_nothing(self, checker: Checker) -> None:
        told = Told("other").warm().fault().warm().whole()
        if not isinstance(checker, Recovery):
            assert checker.check(told.history).value == UNKNOWN

    def test_it_is_a_value(self, checker: Checker) -> None:
        assert hash(checker) == hash(checker)
        with pytest.raises(AttributeError):
            checker.name = "another"  # type: ignore[misc]


def test_the_worst_counts() -> None:
    assert worst([VALID, UNKNOWN, INVALID, VALID]) == INVALID
    assert worst([VALID, UNKNOWN]) == UNKNOWN
    assert worst([VALID]) == VALID
    assert worst([]) == UNKNOWN


@dataclass(frozen=True)
class Broken:
    name: str = "broken"

    def check(self, history: History) -> Verdict:
        raise KeyError("f")


def test_a_checker_that_crashes_knows_nothing() -> None:
    verdict = judge(Broken(), Told().history)
    assert (verdict.value, verdict.words) == (UNKNOWN, "the checker crashed: KeyError: 'f'")


def test_a_result_of_another_shape_is_no_success() -> None:
    told = Told().warm().ok("insert", 1).fault().ok("read", [0, 5], None, final=True)
    assert judge(SetChecker(LOAD, "insert", "read"), told.history).value == UNKNOWN


def test_what_was_measured_before_the_fault() -> None:
    assert too_little(Told().warm(ENOUGH).fault().history, LOAD) == ""
    assert too_little(Told().warm(ENOUGH - 1).fault().warm().history, LOAD) != ""
    assert too_little(Told().warm().history, LOAD) == "there was no fault"
    told = Told().warm(ENOUGH - 1).fail("x").info("x").ok("x", final=True).ok("x", took=9.0).fault()
    told.marks[0] = type(told.marks[0])(told.marks[0].name, told.ops[-1].ended - 1, 0.0, {})
    assert "only 19" in too_little(told.history, LOAD)


def test_broken_promises_come_before_doubts_and_doubts_before_good_news() -> None:
    bad = Offences({"lost": "are lost", "stale": "are stale"})
    good = conclude("c", bad, ["", ""], "all is well", {"n": 1})
    assert (good.value, good.words, good.figures) == (VALID, "all is well", {"n": 1, "lost": 0, "stale": 0})
    assert conclude("c", bad, ["", "nobody looked"], "all is well", {}).value == UNKNOWN
    bad.add("stale", "it is old", *Told().ok("read", 1).ops)
    verdict = conclude("c", bad, ["nobody looked"], "all is well", {})
    assert (verdict.value, verdict.words) == (INVALID, "1 are stale; nobody looked")
    assert verdict.offending == ("stale: it is old: #1 load read 1 at n1, 0.000-0.010 s: ok",)


def test_many_of_one_kind_hide_none_of_another() -> None:
    bad = Offences({"lost": "are lost", "stale": "are stale"})
    op = Told().ok("read", 1).ops[0]
    for _ in range(1000):
        bad.add("lost", "gone", op)
    bad.add("stale", "old", op)
    verdict = conclude("c", bad, [], "", {})
    assert kinds(verdict) == {"lost", "stale"}
    assert len(verdict.offending) == SHOWN
    assert verdict.figures == {"lost": 1000, "stale": 1}


def test_a_quotation_is_short_and_says_where() -> None:
    (text,) = quote(Told().info("read", [0, 5000], list(range(5000)), node="", error="reset").ops)
    assert text.startswith("#1 load read [0, 5000] at no node, 0.000-0.010 s: info [0, 1,")
    assert len(text) == 300


def test_a_value_that_is_used_twice_can_be_told_nothing_about() -> None:
    with pytest.raises(ValueError, match="insert 5 was tried twice: #1 and #2"):
        once(Told().ok("insert", 5).fail("insert", 5).ops)


def test_audits() -> None:
    assert Audits().check(Told().history).words == "the cluster was not audited"
    told = Told().mark(AUDIT, name="galera", value=VALID, seen="one primary component")
    assert Audits().check(told.history).value == VALID
    told.mark(AUDIT, name="rabbitmq", value=UNKNOWN, seen="n2 did not answer")
    assert Audits().check(told.history).value == UNKNOWN
    told.mark(AUDIT, name="firewall", value=INVALID, seen="a rule is left on n1")
    verdict = Audits().check(told.history)
    assert (verdict.value, verdict.offending) == (
        INVALID,
        ("rabbitmq: n2 did not answer", "firewall: a rule is left on n1"),
    )
