"""What the drill makes of a history, and how a driver records: on literal histories and on sessions that misbehave."""

from __future__ import annotations

import threading
import time
from collections import Counter

from quorate.lab.drill import Outcome, Seen, summarize
from quorate.lab.driver import Driver, Refused
from quorate.lab.op import FAIL, INFO, OK, Op


def op(began: float, ended: float, outcome: str = OK, detail: str = "") -> Op:
    return Op("keystone", began, ended, outcome, "10.0.0.1", detail)


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
    assert (seen.requests, seen.failed, seen.in_flight, seen.worst) == (4, 3, 2, "10.0.0.1 at +0.10 s: late")


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


class Script:
    """A session that does for each address what it is told; shared by all workers."""

    def __init__(self, **behaviour: object) -> None:
        self.behaviour = behaviour
        self.asked: Counter[str] = Counter()
        self.closed = 0
        self.lock = threading.Lock()

    def request(self, address: str, timeout: float) -> None:
        with self.lock:
            self.asked[address] += 1
        what = self.behaviour.get(address)
        if isinstance(what, Exception):
            raise what
        if isinstance(what, float):
            time.sleep(what)

    def close(self) -> None:
        with self.lock:
            self.closed += 1


def drive(script: Script, seconds: float, rate: float = 100.0, deadline: float = 10.0) -> list[Op]:
    driver = Driver("keystone", lambda: script, ("a", "b", "c"), rate, deadline)
    driver.start()
    time.sleep(seconds)
    driver.stop()
    return driver.ops()


def test_the_rate_is_kept_and_the_addresses_take_turns() -> None:
    script = Script()
    ops = drive(script, 1.0)
    assert 80 <= len(ops) <= 105
    assert {o.outcome for o in ops} == {OK}
    assert max(script.asked.values()) - min(script.asked.values()) <= 3


def test_a_refusal_is_no_failure_the_next_address_takes_it() -> None:
    ops = drive(Script(a=Refused("connection refused")), 0.5)
    assert {o.outcome for o in ops} == {OK}
    assert {o.address for o in ops} == {"b", "c"}


def test_refused_everywhere_is_a_failure_that_names_each() -> None:
    no = Refused("connection refused")
    ops = drive(Script(a=no, b=no, c=no), 0.2)
    assert {o.outcome for o in ops} == {FAIL}
    assert all(o.detail.count("connection refused") == 3 for o in ops)


def test_an_error_after_the_request_was_taken_is_not_tried_elsewhere() -> None:
    ops = drive(Script(a=ConnectionResetError("reset"), b=ConnectionResetError("reset")), 0.3)
    assert {o.outcome for o in ops if o.address in ("a", "b")} == {FAIL}
    assert {o.outcome for o in ops if o.address == "c"} == {OK}


def test_a_client_that_hangs_is_recorded_at_its_deadline_and_replaced() -> None:
    """Six workers stick to one address for longer than the test lasts; the requests go on all the same."""
    ops = drive(Script(a=30.0), 2.5, rate=20.0, deadline=0.5)
    late = [o for o in ops if o.outcome == INFO]
    assert len(late) >= 6
    assert all(0.9 <= o.seconds <= 2.0 for o in late)
    good = [o.ended for o in ops if o.outcome == OK]
    assert max(good) > max(o.began for o in late)
