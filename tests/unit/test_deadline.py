"""Deadlines end before the action's own timeout, and never go negative."""

from __future__ import annotations

import pytest
from fake_host import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from quorate.lib.deadline import Deadline


@pytest.mark.parametrize(("timeout", "length"), [(10, 9.2), (20, 18.4), (37.5, 34.5), (100, 97), (300, 297)])
def test_an_action_leaves_a_margin_for_its_answer(timeout: float, length: float) -> None:
    assert Deadline.of_action(FakeClock(), timeout).length == pytest.approx(length)


@given(st.floats(0.02, 10000), st.floats(0, 20000), st.floats(0, 1), st.floats(0.02, 100))
def test_no_wait_outlives_its_deadline(length: float, passes: float, share: float, wanted: float) -> None:
    clock = FakeClock()
    deadline = Deadline(clock, length)
    clock.sleep(passes)
    left = deadline.remaining()
    assert 0 <= left <= length + 1e-6
    assert deadline.passed() == (left == 0)
    assert deadline.share(share).end <= max(deadline.end, clock.now) + 1e-6
    # A socket needs some time to be tried at all.
    assert deadline.at_most(wanted) <= max(0.01, min(wanted, left))
    assert deadline.at_most(wanted) >= 0.01
