"""Ctrl-C ends a run, and never its healing."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from quorate.lab.interrupt import Interrupted, interrupts, terminable


def strike(number: signal.Signals = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_interrupts_at_once(number: signal.Signals) -> None:
    with interrupts(), pytest.raises(Interrupted, match=number.name):
        strike(number)


def test_what_is_held_is_raised_afterwards() -> None:
    healed = False
    with interrupts() as caught:
        with caught.held():
            strike()
            with caught.held():
                strike(signal.SIGTERM)
            healed = True
        with pytest.raises(Interrupted, match="SIGINT"):
            caught.check()
        caught.check()
    assert healed


def test_the_second_one_does_not_disturb_the_report() -> None:
    with interrupts() as caught:
        with pytest.raises(Interrupted):
            strike()
        strike()
        caught.check()


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_a_thread_that_cannot_have_signals_runs_without() -> None:
    seen = []

    def run() -> None:
        with interrupts() as caught:
            caught.check()
            seen.append("ran")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == ["ran"]


def test_an_end_that_is_asked_for_between_two_runs_can_be_reported_like_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with terminable():
        with interrupts(), pytest.raises(Interrupted):
            strike(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            strike(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
