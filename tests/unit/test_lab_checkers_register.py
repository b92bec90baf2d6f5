"""The register: stale reads, reads that go back, lost updates, and what two overlapping operations may show."""

from __future__ import annotations

import pytest
from histories import LOAD, NODES, Told
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lab_checkers import kinds

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict, judge
from quorate.lab.checkers.finding import SETTLE
from quorate.lab.checkers.register import RegisterChecker
from quorate.lab.history import FAIL, INFO, OK, Op


def check(told: Told) -> Verdict:
    return judge(RegisterChecker(LOAD), told.history)


def told() -> Told:
    return Told().warm().ok("write", ["k", 1]).fault().ok("write", ["k", 2])


def settle(run: Told, n: int | None, *nodes: str) -> Told:
    run.now = max(run.now, *(op.ended + 0.01 for op in run.ops))
    for node in nodes or NODES:
        run.ok("read", "k", n, node=node, final=True)
    return run


def test_what_was_written_is_read() -> None:
    verdict = check(settle(told().ok("read", "k", 2).ok("read", "other"), 2))
    assert (verdict.value, verdict.offending) == (VALID, ())
    assert (verdict.figures["writes"], verdict.figures["reads"]) == (2, 5)


@pytest.mark.parametrize("old", [1, None])
def test_stale(old: int | None) -> None:
    verdict = check(settle(told().ok("read", "k", old, node="n3"), 2))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"stale"})
    assert "write ['k', 2]" in verdict.offending[0]
    assert "at n3" in verdict.offending[0]


def test_a_read_that_overlaps_a_write_may_give_either() -> None:
    for n in (1, 2):
        run = Told().warm().ok("write", ["k", 1]).fault()
        run.ok("write", ["k", 2], at=5.0, took=1.0).ok("read", "k", n, at=5.9, took=0.5)
        assert check(settle(run, 2)).value == VALID
    run = Told().warm().ok("write", ["k", 1]).fault()
    run.ok("write", ["k", 2], at=5.0, took=1.0).ok("read", "k", 1, at=6.1)
    assert check(settle(run, 2)).value == INVALID


def test_but_what_was_read_once_is_read_from_then_on() -> None:
    run = Told().warm().ok("write", ["k", 1]).fault().ok("write", ["k", 2], at=5.0, took=1.0)
    run.ok("read", "k", 2, at=5.1, took=0.1, node="n2").ok("read", "k", 1, at=5.3, took=0.1, node="n3")
    verdict = check(settle(run, 2))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"backwards"})
    run.ops[-len(NODES) - 1 :] = []
    run.ok("read", "k", 1, at=5.15, took=0.1, node="n3")
    assert check(settle(run, 2)).value == VALID


def test_not_even_when_a_read_that_took_longer_gave_the_old_one() -> None:
    run = told().info("write", ["k", 3]).ok("read", "k", 3, at=9.1, took=0.1).ok("read", "k", 2, at=9.0, took=1.0)
    run.ok("read", "k", 2, at=11.0)
    verdict = check(settle(run, 3))
    assert (verdict.value, verdict.figures["backwards"]) == (INVALID, 1)


def test_a_write_without_answer_takes_effect_sooner_or_later_or_never() -> None:
    assert check(settle(told().info("write", ["k", 3]).ok("read", "k", 2), 2)).value == VALID
    assert check(settle(told().info("write", ["k", 3]).ok("read", "k", 3), 3)).value == VALID
    late = told().info("write", ["k", 3]).ok("read", "k", 2).wait(60).ok("read", "k", 2).ok("read", "k", 3)
    assert check(settle(late, 3)).value == VALID
    assert check(settle(late.ok("read", "k", 2), 3)).value == INVALID


def test_and_never_undoes_a_later_one() -> None:
    run = told().info("write", ["k", 3]).ok("write", ["k", 4]).ok("read", "k", 3)
    assert kinds(check(settle(run, 4))) == {"stale"}


def test_a_lost_update() -> None:
    verdict = check(settle(settle(told().wait(SETTLE + 1), 2, "n1", "n3"), 1, "n2"))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"lost"})
    assert (verdict.figures["lost"], verdict.figures["stale"]) == (1, 0)


def test_one_that_was_seen_and_vanished_at_the_end() -> None:
    run = told().info("write", ["k", 3]).ok("read", "k", 3)
    assert kinds(check(settle(run, 2))) == {"lost"}
    run = told().info("write", ["k", 3]).wait(SETTLE + 1)
    verdict = check(settle(settle(run, 3, "n1"), 2, "n2", "n3"))
    assert verdict.figures["lost"] == 2
    assert kinds(verdict) == {"lost"}


def test_a_value_that_nobody_wrote() -> None:
    assert kinds(check(settle(told().ok("read", "k", 7), 2))) == {"unexpected"}
    assert kinds(check(settle(told().fail("write", ["k", 3]).ok("read", "k", 3), 2))) == {"unexpected"}
    assert check(settle(told().fail("write", ["k", 3]).ok("read", "k", 2), 2)).value == VALID
    # The value of another key.
    assert kinds(check(settle(told().ok("write", ["l", 9]).ok("read", "k", 9), 2))) == {"unexpected"}


def test_a_value_that_was_not_written_yet() -> None:
    verdict = check(settle(told().ok("read", "k", 3).ok("write", ["k", 3]), 3))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"unexpected"})


def test_nodes_that_disagree_at_the_end() -> None:
    run = told().info("write", ["k", 3]).wait(SETTLE + 1)
    run.ok("read", "k", 2, node="n1", final=True)
    verdict = check(settle(run, 3, "n2", "n3"))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"diverged"})
    hung = told().info("write", ["k", 3]).ok("read", "k", 2, node="n1", final=True)
    verdict = check(settle(hung, 3, "n2", "n3"))
    assert (verdict.value, "too soon" in verdict.words) == (UNKNOWN, True)


def test_a_key_that_was_not_read_on_every_node() -> None:
    assert check(settle(told(), 2, "n1", "n3")).value == UNKNOWN
    assert check(settle(told().ok("write", ["l", 1]), 2)).value == UNKNOWN
    assert check(settle(told().info("write", ["l", 1]), 2)).value == VALID
    bare = told().ok("read", "k", 2)
    bare.header = {}
    assert check(bare).value == UNKNOWN


def test_a_failed_read_says_nothing() -> None:
    assert check(settle(told().op("fail", "read", "k", 1), 2)).value == VALID


def test_nothing_written_or_too_little_before_the_fault_or_nothing_read_since() -> None:
    assert check(settle(Told().warm().fault(), None)).value == UNKNOWN
    assert check(settle(Told().fault().ok("write", ["k", 1]), 1)).value == UNKNOWN
    assert check(settle(Told().warm().ok("write", ["k", 1]), 1).fault()).value == UNKNOWN


def test_a_number_that_is_used_twice_is_a_mistake() -> None:
    verdict = check(settle(told().info("write", ["k", 2]), 2))
    assert (verdict.value, "crashed" in verdict.words) == (UNKNOWN, True)


MOMENTS = st.integers(0, 6)
WRITES = st.lists(st.tuples(st.sampled_from([OK, OK, INFO, FAIL]), MOMENTS, MOMENTS), max_size=3)
READS = st.lists(st.tuples(MOMENTS, MOMENTS, st.sampled_from([None, 1, 2, 3])), max_size=4)


def some_order_explains(left: tuple[Op, ...], now: int) -> bool:
    """Whether the operations that are *left* can happen one after another, to a register that has *now*."""
    if all(op.outcome != OK for op in left):
        return True
    for op in left:
        rest = tuple(other for other in left if other is not op)
        # Nothing may have ended before it began and still be to come; one without answer has no end.
        if any(other.outcome == OK and other.ended < op.began for other in rest):
            continue
        if op.f == "write" and some_order_explains(rest, max(now, op.value[1])):
            return True
        if op.f == "read" and (op.result or 0) == now and some_order_explains(rest, now):
            return True
    return False


@settings(max_examples=500)
@given(WRITES, READS)
def test_it_objects_exactly_when_no_order_explains_it(
    writes: list[tuple[str, int, int]], reads: list[tuple[int, int, int | None]]
) -> None:
    run = Told()
    for n, (outcome, began, took) in enumerate(sorted(writes, key=lambda write: write[1]), 1):
        run.op(outcome, "write", ["k", n], at=began, took=took)
    for began, took, n in reads:
        run.ok("read", "k", n, at=began, took=took)
    explained = some_order_explains(tuple(op for op in run.ops if op.outcome != FAIL), 0)
    assert (check(run).value == INVALID) is not explained
