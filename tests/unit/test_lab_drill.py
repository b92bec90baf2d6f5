"""What the drill makes of a history: on literal ones."""

from __future__ import annotations

from quorate.lab.drill import Outcome, Seen, summarize
from quorate.lab.history import FAIL, INFO, OK, Op


def op(began: float, ended: float, outcome: str = OK, error: str = "") -> Op:
    return Op(1, "probe-keystone", 1, "ask", 1, began, ended, outcome, "n1", None, error)


def test_a_quiet_window() -> None:
    ops = [op(n / 10, n / 10 + 0.01) for n in range(100)]
    seen = summarize(ops, began=2.0, injected=2.1, ended=8.0)
    assert (seen.failed, seen.in_flight, seen.worst) == (0, 0, "")
    assert seen.requests == 61
    assert 0.09 < seen.gap < 0.12
    assert 10 <= seen.rate <= 10.2


def test_a_failure_that_began_before_the_fault_was_complete_was_in_flight() -> None:
    ops = [op(1.9, 2.3, FAIL, "reset"), op(2.05, 2.2, FAIL, "reset"), op(2.2, 2.3, FAIL, "late"), op(3, 3.1)]
    seen = summarize(ops, began=2.0, injected=2.1, ended=4.0)
    assert (seen.requests, seen.failed, seen.in_flight, seen.worst) == (4, 3, 2, "n1 at +0.10 s: late")


def test_no_answer_is_a_failure_and_ends_no_gap() -> None:
    ops = [op(1.9, 2.1), op(2.2, 12.2, INFO, "no answer"), op(7.0, 7.5)]
    seen = summarize(ops, began=2.0, injected=2.1, ended=13.0)
    assert seen.failed == 1
    assert seen.gap == 5.5


def test_a_service_that_never_answers_has_the_whole_window_as_gap() -> None:
    assert summarize([], began=2.0, injected=2.0, ended=9.0) == Seen(0, 0, 0, 7.0, 0.0, "")


def test_the_promise_is_about_the_apis_and_kills() -> None:
    bad, good = Seen(10, 3, 1, 1.0, 20.0, "status 500"), Seen(10, 2, 2, 1.0, 20.0, "reset")
    assert Outcome("kill -9 galera", "n1", 9.0, {"nova-api": good, "galera": bad}).broken() == []
    assert Outcome("power off", "n1", 9.0, {"nova-api": bad}).broken() == []
    (line,) = Outcome("kill -9 galera", "n1", 9.0, {"nova-api": bad}).broken()
    assert line == "kill -9 galera on n1: 2 requests to nova-api failed that began after the kill (status 500)"
