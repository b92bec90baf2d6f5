"""Availability and recovery: figures that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from histories import LOAD, Told

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict
from quorate.lab.checkers.availability import Availability
from quorate.lab.checkers.recovery import Recovery
from quorate.lab.history import FAULT, GAVE_UP, HEALED, HEALING, INJECTED, RECOVERED, TROUBLE


def available(told: Told, **limits: Any) -> Verdict:
    return Availability(LOAD, **limits).check(told.history)


def steady(until: float = 20.0, took: float = 0.02) -> Told:
    """Ten operations a second from 0; the fault from 5.0 to 5.2, whole at 12."""
    told = Told().mark(FAULT, at=5.0).mark(INJECTED, at=5.2, nodes=["n1"]).mark(RECOVERED, at=12.0)
    for tick in range(round(until * 10)):
        told.ok("get", tick, at=tick / 10, took=took)
    return told


def without(told: Told, start: float, end: float) -> Told:
    """What began in between was never done."""
    told.ops = [op for op in told.ops if not start <= op.began < end]
    return told


def test_nothing_failed() -> None:
    verdict = available(steady())
    assert (verdict.value, verdict.offending) == (VALID, ())
    figures = verdict.figures
    assert (figures["operations"], figures["failed"], figures["downtime (s)"]) == (200, 0, 0.0)
    assert figures["longest gap (s)"] == pytest.approx(0.1)
    assert figures["rate (/s)"] == pytest.approx(10, rel=0.02)
    assert (figures["ok before"], figures["ok during"], figures["ok after"]) == (50, 70, 80)


def test_downtime_is_from_the_first_error_to_the_last() -> None:
    told = without(steady(), 5.1, 8.0).fail("get", at=5.1, took=0.05, node="n1")
    told.info("get", at=5.15, took=1.0, node="n2").ok("get", at=6.5).fail("get", at=7.5, took=0.25, node="n1")
    verdict = available(told)
    figures = verdict.figures
    assert (verdict.value, figures["failed"], figures["without outcome"]) == (VALID, 3, 1)
    assert figures["downtime (s)"] == pytest.approx(2.65)
    assert (figures["failed in flight"], figures["failed late"]) == (2, 1)
    assert (figures["failed at n1"], figures["failed at n2"]) == (2, 1)
    # Without a success: from 5.02 to 6.51, from there to 8.02.
    assert figures["longest gap (s)"] == pytest.approx(1.51)
    assert figures["longest gap from fault (s)"] == pytest.approx(1.51)
    # What began late is quoted, not what was under way.
    assert [text.split(" at ")[1] for text in verdict.offending] == ["n1, 7.500-7.750 s: fail"]


def test_a_failure_that_overlaps_the_fault_counts_and_one_before_it_does_not() -> None:
    told = steady().fail("get", at=1.0).fail("get", at=4.9, took=0.2)
    figures = available(told).figures
    assert (figures["failed"], figures["failed before the fault"]) == (1, 1)
    assert figures["downtime (s)"] == pytest.approx(0.2)


def test_a_gap_before_the_fault_is_none_of_its_business() -> None:
    assert available(without(steady(), 1.0, 3.0)).figures["longest gap (s)"] == pytest.approx(0.1)


def test_a_gap_that_the_fault_begins_and_one_that_never_ends() -> None:
    figures = available(without(steady(), 4.9, 9.0)).figures
    assert figures["longest gap (s)"] == pytest.approx(4.2)
    dead = without(steady(), 5.0, 99)
    for tick in range(50, 200):
        dead.fail("get", at=tick / 10, took=0.01)
    figures = available(dead).figures
    assert figures["longest gap (s)"] == pytest.approx(19.9 - 4.92)
    assert figures["downtime (s)"] == pytest.approx(14.91)
    assert (figures["ok during"], figures["ok after"]) == (0, 0)
    assert "p50 during (s)" not in figures


def test_one_that_hangs_at_the_end_makes_no_gap() -> None:
    assert available(steady().info("get", at=19.95, took=10.0)).figures["longest gap (s)"] == pytest.approx(0.1)


def test_latencies_are_those_of_successes_in_their_phase() -> None:
    told = Told().mark(FAULT, at=10.0).mark(INJECTED, at=10.1).mark(RECOVERED, at=20.0)
    for n in range(1, 101):
        told.ok("get", at=n * 0.09, took=n / 1000)
    told.fail("get", at=3.0, took=5.0)
    for _ in range(3):
        told.ok("get", at=11.0, took=0.5)
    told.ok("get", at=9.9, took=0.7).ok("get", at=20.0, took=0.01).ok("get", at=19.9, took=0.9)
    figures = available(told).figures
    assert [figures[f"p{p} before (s)"] for p in (50, 95, 99)] == pytest.approx([0.05, 0.095, 0.099])
    assert [figures[f"p{p} during (s)"] for p in (50, 95, 99)] == pytest.approx([0.5, 0.9, 0.9])
    assert figures["p99 after (s)"] == pytest.approx(0.01)
    assert (figures["ok before"], figures["ok during"], figures["ok after"]) == (100, 5, 1)


def test_a_run_that_was_never_whole_again_has_no_after() -> None:
    told = steady()
    told.marks = [mark for mark in told.marks if mark.name != RECOVERED]
    figures = available(told).figures
    assert (figures["ok during"], figures["ok after"]) == (150, 0)


def test_final_reads_are_no_load() -> None:
    told = steady().ok("get", at=60.0, final=True).fail("get", at=61.0, final=True)
    figures = available(told).figures
    assert (figures["operations"], figures["failed"]) == (200, 0)
    assert figures["longest gap (s)"] == pytest.approx(0.1)


def test_limits() -> None:
    told = without(steady(), 6.0, 8.0).fail("get", at=6.0).fail("get", at=7.0)
    assert available(told, max_gap=2.2, max_failed=2).value == VALID
    verdict = available(told, max_gap=2.0)
    assert (verdict.value, "longest gap is above 2 s" in verdict.words) == (INVALID, True)
    verdict = available(told, max_failed=1)
    assert (verdict.value, "more than 1 operations failed" in verdict.words) == (INVALID, True)
    assert available(steady(), max_gap=0.2, max_failed=0).value == VALID


def test_too_little_traffic() -> None:
    few = without(steady(), 0.0, 3.1)
    assert available(few).value == UNKNOWN
    assert available(without(steady(), 5.0, 99)).value == UNKNOWN
    quiet = steady()
    quiet.marks = []
    assert available(quiet).value == UNKNOWN


def test_without_seeing_the_fault_complete_no_failure_is_late() -> None:
    told = steady().fail("get", at=9.0)
    told.marks = [mark for mark in told.marks if mark.name != INJECTED]
    assert (available(told).figures["failed late"], available(told).figures["failed in flight"]) == (0, 1)


class TestRecovery:
    def check(self, told: Told) -> Verdict:
        return Recovery().check(told.history)

    def test_figures(self) -> None:
        told = Told().event("failed", at=1.0).event("started", at=2.0)
        told.mark(FAULT, at=10.0).mark(INJECTED, at=10.25, nodes=["n1"])
        told.event("stop", at=11.0).event("dc", "n2", at=11.5).event("failed", "n1", at=12.0)
        told.event("failed", "n2", at=13.0).event("started", "n2", at=14.0).event("start", "n1", at=14.5)
        told.event("started", "n1", at=16.0).event("started", "n1", at=17.0)
        told.mark(HEALING, at=20.0).mark(HEALED, at=21.0).mark(RECOVERED, at=30.5)
        verdict = self.check(told)
        assert verdict.value == VALID
        assert verdict.figures == {
            "injection (s)": 0.25,
            "fault to detected (s)": 2.0,
            "fault to first instance (s)": 6.0,
            "fault to whole (s)": 20.5,
            "healed to whole (s)": 9.5,
        }
        words = "noticed after 2.0 s, first instance back after 6.0 s, whole again 20.5 s after the fault"
        assert verdict.words == words

    def test_the_instance_is_one_of_what_failed(self) -> None:
        told = Told().mark(FAULT, at=0.0).mark(INJECTED, at=0.1, nodes=["n1"])
        told.event("started", "n1", "nova-api", at=0.5).event(
            "failed", "n1", "monitor of nova-api: not running", at=1.0
        )
        told.event("started", "n1", "keystone", at=2.0).event("started", "n1", "nova", at=2.5)
        told.event("started", "n1", "nova-api:1", at=3.0).whole()
        assert self.check(told).figures["fault to first instance (s)"] == 3.0
        told = Told().mark(FAULT, at=0.0).mark(INJECTED, at=0.1, nodes=["n1"])
        told.event("failed", "n1", "fencing (off) of n1 by n2: No such device", at=1.0)
        assert self.check(told.event("started", "n1", "galera", at=2.0)).figures["fault to first instance (s)"] == 2.0

    @pytest.mark.parametrize("kind", ["failed", "fencing", "membership-lost", "quorum"])
    def test_what_shows_that_the_cluster_has_noticed(self, kind: str) -> None:
        told = Told().fault().wait(1).event(kind, "n3").whole()
        assert self.check(told).figures["fault to detected (s)"] == pytest.approx(1.1, abs=0.01)

    def test_what_does_not(self) -> None:
        told = Told().fault()
        for kind in (
            "membership-joined",
            "dc",
            "start",
            "started",
            "stop",
            "stopped",
            "promote",
            "maintenance",
            "daemon",
        ):
            told.event(kind)
        figures = self.check(told.whole()).figures
        assert set(figures) == {"injection (s)", "fault to whole (s)"}

    def test_an_instance_that_has_to_be_promoted_is_not_back_before(self) -> None:
        told = Told().mark(FAULT, at=0.0).mark(INJECTED, at=0.1, nodes=["n1"])
        told.event("failed", "n1", "monitor of galera:0: not running", at=1.0).event("started", "n1", "galera", at=3.0)
        assert self.check(told).figures["fault to first instance (s)"] == 3.0
        told.event("promote", "n1", "promote of keystone", at=3.5)
        assert self.check(told).figures["fault to first instance (s)"] == 3.0
        told.event("promote", "n1", "promote of galera", at=4.0)
        assert "fault to first instance (s)" not in self.check(told).figures
        told.event("promoted", "n1", "galera", at=5.0)
        assert self.check(told).figures["fault to first instance (s)"] == 5.0

    def test_a_promotion_is_an_instance_too_and_any_node_will_do_when_none_is_named(self) -> None:
        told = Told().mark(FAULT, at=0.0).mark(INJECTED, at=0.1).event("fencing", "n1", at=1.0)
        told.event("promoted", "n3", at=3.0).whole()
        assert self.check(told).figures["fault to first instance (s)"] == 3.0

    def test_a_fault_that_was_not_seen(self) -> None:
        assert self.check(Told().mark(RECOVERED)).value == UNKNOWN
        verdict = self.check(Told().mark(FAULT).mark(TROUBLE, seen="there was no process").mark(RECOVERED))
        assert (verdict.value, verdict.words) == (UNKNOWN, "the fault was not injected: there was no process")

    def test_never_whole_again(self) -> None:
        told = Told().fault().event("failed").mark(HEALED).mark(GAVE_UP, seen="the cluster is not whole 180 s after")
        verdict = self.check(told)
        assert (verdict.value, verdict.words) == (INVALID, "the cluster is not whole 180 s after")
        assert "fault to detected (s)" in verdict.figures

    def test_what_came_of_it_is_not_the_reason(self) -> None:
        told = Told().fault().mark(HEALED).mark(TROUBLE, seen="a final read was never answered")
        verdict = self.check(told.mark(GAVE_UP, seen="the cluster is not whole"))
        assert (verdict.value, verdict.words) == (INVALID, "the cluster is not whole")

    def test_cut_short(self) -> None:
        assert self.check(Told().fault().mark(HEALED).mark(TROUBLE, seen="interrupted")).value == UNKNOWN
        assert self.check(Told().fault().mark(HEALED)).value == UNKNOWN
