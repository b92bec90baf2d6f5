"""The bank: money that is made or lost, nodes that disagree, transfers that vanish, and what may explain it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from histories import LOAD, NODES, Told
from hypothesis import given
from hypothesis import strategies as st
from test_lab_checkers import kinds

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict, judge
from quorate.lab.checkers import subset
from quorate.lab.checkers.bank import BankChecker
from quorate.lab.checkers.finding import SETTLE
from quorate.lab.checkers.subset import MOST_MOVES, explain


def check(told: Told, **more: Any) -> Verdict:
    return judge(BankChecker(LOAD, 30, 3, **more), told.history)


def told() -> Told:
    """After it the balances are 7, 11, 12."""
    return Told().warm().ok("transfer", [0, 1, 3]).ok("transfer", [1, 2, 2]).fault().fail("transfer", [0, 1, 9])


def read(run: Told, *balances: int, node: str = "n1", final: bool = True) -> Told:
    return run.ok("read", None, {str(i): balance for i, balance in enumerate(balances)}, node=node, final=final)


def read_all(run: Told, *balances: int) -> Told:
    for node in NODES:
        read(run, *balances, node=node)
    return run


def test_all_is_there() -> None:
    verdict = check(read_all(read(told(), 10, 10, 10, final=False), 7, 11, 12))
    assert (verdict.value, verdict.offending) == (VALID, ())
    assert verdict.figures["transfers"] == 2
    assert verdict.figures["reads"] == 4


def test_money_from_nowhere_at_any_moment() -> None:
    verdict = check(read_all(read(told(), 10, 11, 10, final=False), 7, 11, 12))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"total"})


def test_an_account_too_few_or_too_many_or_another_one() -> None:
    for balances in ({"0": 10, "1": 20}, {"0": 10, "1": 10, "2": 5, "3": 5}, {"0": 10, "1": 10, "9": 10}):
        run = read_all(told().ok("read", None, balances), 7, 11, 12)
        verdict = check(run)
        assert (verdict.value, verdict.figures["accounts"]) == (INVALID, 1)


def test_the_same_account_is_missing_in_every_read() -> None:
    verdict = check(read_all(told(), 10, 20))
    assert (verdict.value, verdict.figures["accounts"]) == (INVALID, 3)


def test_below_nought() -> None:
    run = read_all(read(told(), -1, 21, 10, final=False), 7, 11, 12)
    assert (check(run).value, kinds(check(run))) == (INVALID, {"negative"})
    assert check(run, overdraft=True).value == VALID


def test_a_transfer_that_vanished() -> None:
    verdict = check(read_all(told(), 10, 8, 12))
    assert (verdict.value, verdict.figures["unexplained"]) == (INVALID, 1)


def test_a_transfer_that_failed_and_was_done() -> None:
    assert check(read_all(told(), 6, 12, 12)).value == INVALID
    assert check(read_all(told(), 7, 11, 12)).value == VALID


def test_a_transfer_without_answer_may_have_been_done() -> None:
    for balances in ((7, 11, 12), (6, 12, 12)):
        assert check(read_all(told().info("transfer", [0, 1, 1]), *balances)).value == VALID
    assert check(read_all(told().info("transfer", [0, 1, 1]), 5, 13, 12)).value == INVALID
    # As far as the first and the second account are concerned, by themselves, this could be.
    run = told().info("transfer", [0, 1, 1]).info("transfer", [1, 2, 1])
    assert check(read_all(run, 7, 10, 13)).value == VALID
    assert check(read_all(run, 6, 10, 14)).value == INVALID


def test_nodes_that_disagree() -> None:
    run = told().info("transfer", [0, 1, 1]).wait(SETTLE + 1)
    verdict = check(read(read(read(run, 7, 11, 12), 6, 12, 12, node="n2"), 6, 12, 12, node="n3"))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"diverged"})


def test_a_transfer_that_hung_until_the_end_may_have_come_between_two_reads() -> None:
    run = told().info("transfer", [0, 1, 1])
    assert check(read(read(read(run, 7, 11, 12), 6, 12, 12, node="n2"), 6, 12, 12, node="n3")).value == UNKNOWN
    run = told().info("transfer", [0, 1, 1])
    assert check(read(read(read(run, 6, 12, 12), 7, 11, 12, node="n2"), 6, 12, 12, node="n3")).value == INVALID


def test_the_last_answer_of_a_node_counts() -> None:
    run = read_all(
        told().info("transfer", [0, 1, 1]).ok("read", None, {"0": 7, "1": 11, "2": 12}, final=True), 6, 12, 12
    )
    assert check(run).value == VALID


def test_a_transfer_acknowledged_while_it_was_read_may_be_in_it_or_not() -> None:
    for balances in ((7, 11, 12), (6, 12, 12)):
        run = told().ok("transfer", [0, 1, 1], at=5.0, took=1.0)
        for node in NODES:
            shown = {str(i): balance for i, balance in enumerate(balances)}
            run.ok("read", None, shown, at=5.5, took=0.1, node=node, final=True)
        assert check(run).value == VALID
    run = read_all(told(), 6, 12, 12).info("transfer", [0, 1, 1])
    assert check(run).value == INVALID


def test_more_doubt_than_can_be_decided() -> None:
    run = told()
    for _ in range(MOST_MOVES + 1):
        run.info("transfer", [0, 1, 1])
    verdict = check(read_all(run, 6, 12, 12))
    assert (verdict.value, "cannot be decided" in verdict.words) == (UNKNOWN, True)


def test_a_node_that_was_not_read_and_nothing_done() -> None:
    verdict = check(read(read(told(), 7, 11, 12), 7, 11, 12, node="n2"))
    assert (verdict.value, verdict.words) == (UNKNOWN, "not read at the end: n3")
    assert check(told()).value == UNKNOWN
    assert check(read_all(Told().warm().fault(), 10, 10, 10)).value == UNKNOWN
    assert check(read_all(Told().fault().ok("transfer", [0, 1, 3]), 7, 13, 10)).value == UNKNOWN


def test_a_read_under_load_settles_nothing() -> None:
    run = told()
    for node in NODES:
        read(run, 7, 11, 12, node=node, final=False)
    assert check(run).value == UNKNOWN


def test_shares_that_are_not_equal_are_a_mistake() -> None:
    verdict = judge(BankChecker(LOAD, 31, 3), read_all(told(), 7, 11, 12).history)
    assert (verdict.value, "crashed" in verdict.words) == (UNKNOWN, True)


MOVES = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(1, 4)), max_size=7)


NEED = st.dictionaries(st.sampled_from("abc"), st.integers(-6, 6))


def trying_everything(moves: list[tuple[str, str, int]], need: dict[str, int]) -> bool:
    def balances(chosen: tuple[bool, ...]) -> dict[str, int]:
        sums = dict.fromkeys("abc", 0)
        for take, (start, end, amount) in zip(chosen, moves, strict=True):
            if take:
                sums[start] -= amount
                sums[end] += amount
        return sums

    wanted = {**dict.fromkeys("abc", 0), **need}
    return any(balances(chosen) == wanted for chosen in product((False, True), repeat=len(moves)))


@given(MOVES, NEED)
def test_the_search_finds_what_trying_everything_finds(moves: list[tuple[str, str, int]], need: dict[str, int]) -> None:
    assert explain(need, moves) is trying_everything(moves, need)


def test_a_search_that_left_something_out_and_found_nothing_has_not_decided() -> None:
    moves = [("c", "d", 3), ("a", "b", 1), ("a", "d", 1), ("c", "b", 1), ("d", "c", 1), ("b", "a", 3)]
    need = {"a": -1, "b": 1, "c": -2, "d": 2}
    assert explain(need, moves) is True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subset, "WORK", 0)
        assert explain(need, moves) is None


@given(MOVES, NEED)
def test_a_search_that_gave_up_says_so(moves: list[tuple[str, str, int]], need: dict[str, int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subset, "WORK", 0)
        assert explain(need, moves) in (trying_everything(moves, need), None)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 5)), max_size=120), st.data())
def test_what_was_done_is_never_called_impossible(moves: list[tuple[int, int, int]], data: st.DataObject) -> None:
    named = [(str(start), str(end), amount) for start, end, amount in moves]
    need = {str(account): 0 for account in range(10)}
    for (start, end, amount), take in zip(named, data.draw(st.binary(min_size=120, max_size=120)), strict=False):
        if take % 2:
            need[start] -= amount
            need[end] += amount
    assert explain(need, named) is not False
