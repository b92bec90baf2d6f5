"""The teller: each incident it gets has one outcome, whatever happens on the way."""

from __future__ import annotations

import time
from collections.abc import Callable

from calling import KeptLog
from sentinel_node import STARTED, cib, operation, until

from quorate.lib.host import RealHost, Result
from quorate.lib.sentinel.judgement import Incident
from quorate.lib.sentinel.telling import SETTLE, Outcome, Telling


class Running:
    def __init__(self, rc: int) -> None:
        self.rc = rc

    def result(self) -> Result:
        return Result(self.rc, "", "no luck" if self.rc else "")


class FakeCluster:
    """Answers with *text*; *tells* is called for each telling."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.queries = 0
        self.told: list[str] = []
        self.known_node = "n1"
        self.rc = 0
        self.while_asked: Callable[[], object] = lambda: None

    def node(self) -> str:
        return self.known_node

    def query(self) -> str:
        self.queries += 1
        self.while_asked()
        return self.text

    def tell(self, resource: str) -> Running:
        self.told.append(resource)
        return Running(self.rc)


class Desk:
    """A teller, and what came of it."""

    def __init__(self, text: str, *, stands: bool = True, settles: bool = False) -> None:
        self.cluster = FakeCluster(text)
        self.log = KeptLog()
        self.outcomes: list[Outcome] = []
        self.telling = Telling(
            self.cluster,  # type: ignore[arg-type]
            RealHost().clock,
            self.log,
            stands=lambda incident: stands,
            settles=lambda incident: settles,
            report=self.outcomes.append,
        )

    def handle(self, *incidents: Incident) -> list[tuple[str, str, bool]]:
        self.telling.handle(list(incidents))
        assert len(self.outcomes) == len(incidents)
        assert {id(each.incident) for each in self.outcomes} == {id(each) for each in incidents}
        of = {id(each.incident): (each.what, each.reason, each.again) for each in self.outcomes}
        self.outcomes.clear()
        return [of[id(each)] for each in incidents]


def incident(name: str = "a", over: bool = False) -> Incident:
    made = Incident((name, 100, 1), "its process has ended", 0.0, True)
    made.over = over
    return made


def test_one_question_is_asked_for_all_and_each_gets_its_own_answer() -> None:
    desk = Desk(cib(("a", STARTED), ("b", operation("stop", 3)), ("c", STARTED), ("d", STARTED)))
    answers = desk.handle(incident("a"), incident("b"), incident("c", over=True), incident("d"))
    assert [what for what, _, _ in answers] == ["told", "withheld", "dropped", "told"]
    assert desk.cluster.told == ["a", "d"]
    assert desk.cluster.queries == 1


def test_nothing_is_asked_about_what_is_over() -> None:
    desk = Desk(cib(("a", STARTED)))
    assert desk.handle(incident(over=True)) == [("dropped", "", False)]
    assert desk.cluster.queries == 0


def test_what_is_over_by_the_time_of_the_answer_is_not_told() -> None:
    desk = Desk(cib(("a", STARTED)))
    made = incident()

    def withdraw() -> None:
        made.over = True

    desk.cluster.while_asked = withdraw
    assert desk.handle(made) == [("dropped", "", False)]
    assert desk.cluster.told == []


def test_what_the_disk_does_not_say_any_more_is_not_told() -> None:
    desk = Desk(cib(("a", STARTED)), stands=False)
    [(what, _, again)] = desk.handle(incident())
    assert (what, again) == ("withheld", False)
    assert desk.cluster.told == []


def test_a_command_that_fails_is_told_with_its_words() -> None:
    desk = Desk(cib(("a", STARTED)))
    desk.cluster.rc = 1
    assert desk.handle(incident()) == [("failed", "no luck", False)]


def test_an_unreadable_cib_is_asked_for_again_and_said_once() -> None:
    desk = Desk("<cib")
    for _ in range(3):
        [(what, _, again)] = desk.handle(incident())
        assert (what, again) == ("withheld", True)
    assert len(desk.log.lines) == 1


def test_an_error_nobody_thought_of_leaves_no_incident_without_an_outcome() -> None:
    desk = Desk(cib(("a", STARTED)))

    def surprise() -> None:
        raise ZeroDivisionError("oh")

    desk.cluster.while_asked = surprise
    for _ in range(3):
        answers = desk.handle(incident("a"), incident("b", over=True))
        assert answers == [("failed", "ZeroDivisionError: oh", False), ("dropped", "", False)]
    assert len(desk.log.lines[0].splitlines()) > 1


def test_what_must_settle_is_asked_about_later_than_the_others() -> None:
    desk = Desk(cib(("a", STARTED)), settles=True)
    desk.telling.start()
    begun = time.monotonic()
    desk.telling.put(incident())
    until(lambda: desk.outcomes)
    assert time.monotonic() - begun >= SETTLE
    assert desk.outcomes[0].what == "told"
