"""The queue: planted losses, duplicates and strangers, and consumers that left without a word."""

from __future__ import annotations

from histories import LOAD, Told
from test_lab_checkers import kinds

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict
from quorate.lab.checkers.finding import SETTLE
from quorate.lab.checkers.queue import QueueChecker


def check(told: Told) -> Verdict:
    return QueueChecker(LOAD).check(told.history)


def told(count: int = 5) -> Told:
    run = Told().warm()
    for n in range(count):
        run.ok("publish", n)
    return run.fault()


def drain(run: Told, *rest: int) -> Told:
    if rest:
        run.ok("drain", None, list(rest), final=True)
    return run.ok("drain", None, [], final=True)


def test_everything_arrives() -> None:
    verdict = check(drain(told().ok("consume", None, 0).ok("consume").ok("consume", None, 1), 2, 3, 4))
    assert (verdict.value, verdict.offending) == (VALID, ())
    figures = verdict.figures
    assert (figures["confirmed"], figures["consumed"], figures["drained"], figures["lost"]) == (5, 2, 3, 0)


def test_the_order_does_not_matter() -> None:
    assert check(drain(told().ok("consume", None, 3).ok("consume", None, 0), 4, 2, 1)).value == VALID


def test_lost() -> None:
    verdict = check(drain(told().ok("consume", None, 0), 1, 2, 4))
    assert (verdict.value, verdict.figures["lost"], kinds(verdict)) == (INVALID, 1, {"lost"})
    assert "publish 3" in verdict.offending[0]


def test_what_was_not_drained_may_still_be_there() -> None:
    run = told().ok("consume", None, 0)
    assert check(run).value == UNKNOWN
    assert check(run.ok("drain", None, [1, 2, 3], final=True)).value == UNKNOWN
    assert check(run.fail("drain", final=True)).value == UNKNOWN
    assert check(drain(run, 4)).value == VALID


def test_a_queue_that_was_filled_after_it_was_drained_is_not_drained() -> None:
    run = drain(told(), 0, 1, 2, 3, 4)
    assert check(run.ok("publish", 5)).value == UNKNOWN
    run = told(4).ok("publish", 4, at=9.0, took=2.0)
    run.now = 10.0
    assert check(drain(run, 0, 1, 2, 3)).value == UNKNOWN


def test_what_comes_back_after_an_empty_drain_counts() -> None:
    run = drain(told(), 0, 1, 2)
    assert check(run.ok("drain", None, [3, 4], final=True)).value == UNKNOWN
    assert check(drain(run)).value == VALID


def test_nor_is_one_that_gave_something_to_somebody_else_afterwards_or_was_not_seen_to_be_empty() -> None:
    assert check(drain(told(), 0, 1, 2, 3).ok("consume", None, 4)).value == UNKNOWN
    assert check(told().ok("drain", None, [0, 1, 2, 3, 4]).info("drain", None, [])).value == UNKNOWN


def test_a_stranger() -> None:
    verdict = check(drain(told(), 0, 1, 2, 3, 4, 77))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"unexpected"})


def test_one_that_was_refused() -> None:
    verdict = check(drain(told().fail("publish", 5), 0, 1, 2, 3, 4, 5))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"unexpected"})
    assert check(drain(told().fail("publish", 5), 0, 1, 2, 3, 4)).value == VALID


def test_one_that_came_before_it_was_sent() -> None:
    run = told().ok("consume", None, 5).ok("publish", 5)
    verdict = check(drain(run, 0, 1, 2, 3, 4))
    assert (verdict.value, "seen before" in verdict.offending[0]) == (INVALID, True)
    overlapping = told().ok("publish", 5, at=9.0, took=1.0).ok("consume", None, 5, at=9.5, took=0.1)
    overlapping.now = 11.0
    assert check(drain(overlapping, 0, 1, 2, 3, 4)).value == VALID


def test_one_whose_confirm_never_came() -> None:
    assert check(drain(told().info("publish", 5), 0, 1, 2, 3, 4)).value == VALID
    verdict = check(drain(told().info("publish", 5), 0, 1, 2, 3, 4, 5))
    assert (verdict.value, verdict.figures["recovered"]) == (VALID, 1)


def test_a_number_that_came_with_an_uncertain_acknowledgement_has_arrived() -> None:
    assert check(drain(told().info("consume", None, 0), 1, 2, 3, 4)).value == VALID
    verdict = check(drain(told().info("consume", None, 0), 0, 1, 2, 3, 4))
    assert verdict.value == VALID
    assert (verdict.figures["redelivered"], verdict.figures["duplicated"]) == (1, 0)
    verdict = check(drain(told(), 4).info("drain", None, [0, 1, 2, 3], final=True).ok("drain", None, [], final=True))
    assert verdict.value == VALID


def test_what_a_failed_consumer_says_it_has_not_seen() -> None:
    run = told()
    run.op("fail", "consume", None, 0)
    assert check(drain(run, 1, 2, 3, 4)).value == INVALID


def test_seen_again_after_it_was_acknowledged() -> None:
    verdict = check(drain(told().ok("consume", None, 0).ok("consume", None, 0), 0, 1, 2, 3, 4))
    assert verdict.value == VALID
    assert (verdict.figures["redelivered"], verdict.figures["duplicated"]) == (0, 2)


def test_seen_twice_at_once_was_delivered_again_before_the_acknowledgement() -> None:
    run = told().ok("consume", None, 0, at=9.0, took=1.0).ok("consume", None, 0, at=9.5, took=1.0)
    run.now = 11.0
    verdict = check(drain(run, 1, 2, 3, 4))
    assert (verdict.figures["redelivered"], verdict.figures["duplicated"]) == (1, 0)


def test_a_consumer_without_a_word_may_have_taken_one_message_and_no_more() -> None:
    verdict = check(drain(told().info("consume").info("consume"), 1, 3, 4))
    assert (verdict.value, verdict.figures["uncertain"], verdict.figures["lost"]) == (UNKNOWN, 2, 0)
    verdict = check(drain(told().info("consume").info("consume"), 3, 4))
    assert (verdict.value, verdict.figures["uncertain"], verdict.figures["lost"]) == (INVALID, 2, 1)
    assert check(drain(told().info("consume"), 0, 1, 2, 3, 4)).value == VALID


def test_nor_one_that_was_published_long_after_it_had_gone() -> None:
    run = told().info("consume").wait(SETTLE + 1).ok("publish", 5)
    verdict = check(drain(run, 0, 1, 2, 3, 4))
    assert (verdict.value, verdict.figures["lost"]) == (INVALID, 1)
    # The one that is early explains the early loss, and nothing is left for the late one.
    run = told().info("consume").wait(SETTLE + 1).ok("publish", 5)
    verdict = check(drain(run, 0, 1, 2, 3))
    assert (verdict.figures["lost"], verdict.figures["uncertain"]) == (1, 1)
    assert "publish 5" in verdict.offending[0]
    # Nor do two early ones explain a late loss.
    run = told().info("consume").info("consume").wait(SETTLE + 1).ok("publish", 5)
    assert check(drain(run, 0, 1, 2, 3)).figures["lost"] == 1
    # Two late ones explain both.
    run = told().wait(SETTLE + 1).ok("publish", 5).info("consume").info("consume")
    assert check(drain(run, 0, 1, 2, 3)).value == UNKNOWN


def test_a_drain_without_a_word_may_have_taken_any_number() -> None:
    assert check(drain(told().info("drain", final=True))).value == UNKNOWN
    verdict = check(drain(told().info("drain", 2, final=True), 4))
    assert (verdict.value, verdict.figures["uncertain"], verdict.figures["lost"]) == (INVALID, 2, 2)
    assert check(drain(told().ok("consume", None, 0).ok("consume", None, 1).info("drain", 2), 4)).value == UNKNOWN


def test_nothing_confirmed_or_too_little_before_the_fault() -> None:
    assert check(drain(Told().warm().fault())).value == UNKNOWN
    verdict = check(drain(Told().fault().ok("publish", 0), 0))
    assert (verdict.value, "before the fault" in verdict.words) == (UNKNOWN, True)
