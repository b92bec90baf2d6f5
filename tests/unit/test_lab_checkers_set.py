"""The set: planted losses, strangers, duplicates and nodes that disagree."""

from __future__ import annotations

from histories import LOAD, NODES, Told
from test_lab_checkers import kinds

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict
from quorate.lab.checkers.finding import SETTLE
from quorate.lab.checkers.sets import SetChecker


def check(told: Told) -> Verdict:
    return SetChecker(LOAD, "insert", "read").check(told.history)


def told(*acknowledged: int) -> Told:
    run = Told().warm()
    for n in acknowledged or (0, 1, 2, 3):
        run.ok("insert", n)
    return run.fault()


def read(run: Told, *there: int, node: str = "n1", start: int = 0, end: int = 10) -> Told:
    return run.ok("read", [start, end], list(there), node=node, final=True)


def read_all(run: Told, *there: int) -> Told:
    for node in NODES:
        read(run, *there, node=node)
    return run


def test_everything_is_everywhere() -> None:
    verdict = check(read_all(told(), 0, 1, 2, 3))
    assert (verdict.value, verdict.offending) == (VALID, ())
    assert verdict.figures["acknowledged"] == 4
    assert verdict.figures["nodes read"] == 3


def test_lost_on_one_node_is_lost() -> None:
    run = read(read(read(told(), 0, 1, 2, 3), 0, 1, 3, node="n2"), 0, 1, 2, 3, node="n3")
    verdict = check(run)
    assert (verdict.value, verdict.figures["lost"]) == (INVALID, 1)
    assert "missing on n2" in verdict.offending[0]
    assert "insert 2" in verdict.offending[0]


def test_lost_on_all_nodes_is_lost_once() -> None:
    assert check(read_all(told(), 0, 1, 3)).figures["lost"] == 1


def test_one_that_nobody_added() -> None:
    verdict = check(read_all(told(), 0, 1, 2, 3, 9))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"unexpected"})


def test_one_that_was_certainly_not_added() -> None:
    verdict = check(read_all(told().fail("insert", 7), 0, 1, 2, 3, 7))
    assert (verdict.value, verdict.figures["unexpected"]) == (INVALID, 1)
    assert check(read_all(told().fail("insert", 7), 0, 1, 2, 3)).value == VALID


def test_twice_in_one_read() -> None:
    verdict = check(read_all(told(), 0, 1, 1, 2, 3))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"duplicated"})


def test_one_without_answer_may_be_there_or_not() -> None:
    run = told().info("insert", 4)
    assert check(read_all(run, 0, 1, 2, 3)).value == VALID
    verdict = check(read_all(told().info("insert", 4), 0, 1, 2, 3, 4))
    assert (verdict.value, verdict.figures["recovered"]) == (VALID, 1)


def test_but_not_here_and_there() -> None:
    run = read(told().info("insert", 4).wait(SETTLE + 1), 0, 1, 2, 3)
    for node in ("n2", "n3"):
        read(run, 0, 1, 2, 3, 4, node=node)
    verdict = check(run)
    assert (verdict.value, kinds(verdict)) == (INVALID, {"diverged"})


def test_nor_come_and_go() -> None:
    run = read(read(told().info("insert", 4), 0, 1, 2, 3, 4), 0, 1, 2, 3, node="n2")
    verdict = check(read(run, 0, 1, 2, 3, 4, node="n3"))
    assert (verdict.value, kinds(verdict)) == (INVALID, {"diverged"})


def test_one_that_hung_until_the_end_may_have_come_between_two_reads() -> None:
    run = read(told().info("insert", 4), 0, 1, 2, 3)
    for node in ("n2", "n3"):
        read(run, 0, 1, 2, 3, 4, node=node)
    verdict = check(run)
    assert (verdict.value, "too soon" in verdict.words) == (UNKNOWN, True)


def test_a_node_that_was_not_read() -> None:
    assert check(read(read(told(), 0, 1, 2, 3), 0, 1, 2, 3, node="n2")).value == UNKNOWN
    assert check(told()).value == UNKNOWN
    failed = read(read(told(), 0, 1, 2, 3), 0, 1, 2, 3, node="n2").fail("read", [0, 10], node="n3", final=True)
    assert check(failed).value == UNKNOWN


def test_without_knowing_the_nodes_those_that_answered_count() -> None:
    run = told()
    run.header = {}
    assert check(run).value == UNKNOWN
    assert check(read(run, 0, 1, 2, 3)).value == VALID


def test_a_range_that_was_not_read() -> None:
    run = told()
    for node in NODES:
        read(run, 0, 1, node=node, end=2)
    verdict = check(run)
    assert (verdict.value, verdict.words) == (UNKNOWN, "2 elements were not read on every node at the end")
    for node in NODES:
        read(run, 2, 3, node=node, start=2, end=4)
    assert check(run).value == VALID


def test_one_without_answer_has_to_be_looked_for_too() -> None:
    run = told().info("insert", 40)
    assert check(read_all(run, 0, 1, 2, 3)).value == UNKNOWN


def test_a_read_under_load_settles_nothing() -> None:
    run = told()
    for node in NODES:
        run.ok("read", [0, 10], [0, 1, 2, 3], node=node)
    assert check(run).value == UNKNOWN


def test_an_element_acknowledged_while_it_was_read_need_not_be_there() -> None:
    run = told().ok("insert", 4, at=5.0, took=1.0)
    for node in NODES:
        run.ok("read", [0, 10], [0, 1, 2, 3], node=node, final=True, at=5.5)
    assert check(run).value == UNKNOWN


def test_nothing_added_or_too_little_before_the_fault() -> None:
    assert check(read_all(Told().warm().fault())).value == UNKNOWN
    verdict = check(read_all(Told().fault().ok("insert", 0), 0))
    assert (verdict.value, "before the fault" in verdict.words) == (UNKNOWN, True)


def test_a_loss_is_a_loss_however_little_was_asked() -> None:
    assert check(read_all(Told().ok("insert", 0))).value == INVALID
