"""How operations are recorded: with sessions that refuse, fail, doubt, hang, and never come back."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.lab.checker import Checker
from quorate.lab.cluster import Lab
from quorate.lab.history import FAIL, INFO, OK, TROUBLE, History, HistoryLog, Op, read_history
from quorate.lab.recorder import Recorder
from quorate.lab.workload import Call, Pace, Place, Refused, Rejected, Session, Uncertain

PLACES = tuple(Place(name, f"10.0.0.{number}") for number, name in enumerate("abc", 1))
Answer = Callable[[Call, Place], Any]


class Load:
    """A workload whose one answer is a function; what its sessions do is counted."""

    name = "script"
    about = "what the test says"
    service = "keystone"
    pure = frozenset({"read"})

    def __init__(self, answer: Answer, pace: Pace, calls: Iterator[Call] | None = None) -> None:
        self.answer = answer
        self.pace = pace
        self.calls = calls or (Call("write", number) for number in itertools.count())
        self.finals: list[Call] = []
        self.got: list[Op] = []
        self.opened = 0
        self.closed = 0
        self.lock = threading.Lock()

    def prepare(self, lab: Lab) -> None:
        """Nothing."""

    def open(self) -> Session:
        with self.lock:
            self.opened += 1
        return Plain(self)

    def ops(self) -> Iterator[Call]:
        return self.calls

    def final(self) -> Generator[Call, Op, None]:
        for call in self.finals:
            self.got.append((yield call))

    def checkers(self) -> tuple[Checker, ...]:
        return ()


class Plain:
    def __init__(self, load: Load) -> None:
        self.load = load

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        return self.load.answer(call, place)

    def close(self) -> None:
        with self.load.lock:
            self.load.closed += 1


class Breakable(Plain):
    """Hangs until its connections are broken, as a library does that waits for an answer."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self.broken = threading.Event()

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        if self.load.answer(call, place) == "hang":
            self.broken.wait(30)
            self.broken.clear()
            raise ConnectionResetError("reset")
        return None

    def interrupt(self) -> None:
        self.broken.set()


class BreakableLoad(Load):
    def open(self) -> Session:
        super().open()
        return Breakable(self)


def drive(load: Load, folder: Path, seconds: float) -> History:
    with HistoryLog(folder / "history.jsonl", {"workloads": [load.name]}) as log:
        recorder = Recorder(log, load, PLACES)
        recorder.start()
        time.sleep(seconds)
        recorder.stop()
        assert recorder.good == sum(op.outcome == OK for op in recorder.ops)
        ops = sorted(recorder.ops, key=lambda op: op.index)
    history = read_history(folder / "history.jsonl")
    assert [(op.index, op.f, op.value, op.outcome, op.node, op.result, op.error) for op in history.ops] == [
        (op.index, op.f, op.value, op.outcome, op.node, op.result, op.error) for op in ops
    ]
    return history


def outcomes(history: History) -> set[str]:
    return {op.outcome for op in history.ops}


def refuse(*nodes: str) -> Answer:
    def answer(call: Call, place: Place) -> None:
        if place.node in nodes:
            raise Refused("connection refused")

    return answer


def fail_with(error: Exception) -> Answer:
    def answer(call: Call, place: Place) -> None:
        raise error

    return answer


def test_the_rate_is_kept_and_the_nodes_take_turns(tmp_path: Path) -> None:
    history = drive(Load(lambda call, place: None, Pace(rate=100)), tmp_path, 1.0)
    # By the operations' own times: whoever ends them may be let run late.
    span = max(op.began for op in history.ops) - min(op.began for op in history.ops)
    assert 30 <= len(history.ops) <= 100 * span + 5
    assert outcomes(history) == {OK}
    turns = Counter(op.node for op in history.ops)
    assert max(turns.values()) - min(turns.values()) <= 3


def test_functions_that_alternate_go_to_every_node(tmp_path: Path) -> None:
    """Three functions in turn and three nodes: each function is tried everywhere all the same."""
    calls = (Call(f) for _ in itertools.count() for f in ("x", "y", "z"))
    history = drive(Load(lambda call, place: None, Pace(rate=200), calls), tmp_path, 0.3)
    assert len({(op.f, op.node) for op in history.ops}) == 9


def test_without_a_rate_operations_follow_each_other(tmp_path: Path) -> None:
    history = drive(Load(lambda call, place: time.sleep(0.001), Pace(rate=0, workers=2)), tmp_path, 0.5)
    assert len(history.ops) > 50


def test_a_refusal_is_no_failure_the_next_node_takes_it(tmp_path: Path) -> None:
    history = drive(Load(refuse("a"), Pace(rate=100)), tmp_path, 0.3)
    assert outcomes(history) == {OK}
    assert {op.node for op in history.ops} == {"b", "c"}


def test_refused_everywhere_is_a_failure_that_names_each(tmp_path: Path) -> None:
    history = drive(Load(refuse("a", "b", "c"), Pace(rate=50)), tmp_path, 0.2)
    assert outcomes(history) == {FAIL}
    assert all(op.error.count("connection refused") == 3 for op in history.ops)


def test_a_call_goes_to_its_node_first_and_a_pinned_one_nowhere_else(tmp_path: Path) -> None:
    calls = (Call("write", "pinned" if n % 2 else "", node="b", pinned=bool(n % 2)) for n in itertools.count())
    history = drive(Load(refuse("b"), Pace(rate=50), calls), tmp_path, 0.3)
    assert {(op.outcome, op.node) for op in history.ops if not op.value} == {(OK, "c")}
    assert {(op.outcome, op.error) for op in history.ops if op.value} == {
        (FAIL, "no node takes requests: b: connection refused")
    }


@pytest.mark.parametrize(
    ("f", "error", "outcome", "result", "words"),
    [
        ("write", Rejected("no"), FAIL, None, "no"),
        ("write", OSError("reset"), INFO, None, "OSError: reset"),
        ("read", OSError("reset"), FAIL, None, "OSError: reset"),
        ("write", Uncertain("lost on the way", [7]), INFO, [7], "lost on the way"),
        ("read", Uncertain("lost on the way", 7), INFO, 7, "lost on the way"),
    ],
)
def test_what_an_error_means(
    tmp_path: Path, f: str, error: Exception, outcome: str, result: object, words: str
) -> None:
    calls = (Call(f) for _ in itertools.count())
    history = drive(Load(fail_with(error), Pace(rate=50), calls), tmp_path, 0.1)
    assert {(op.outcome, op.error) for op in history.ops} == {(outcome, words)}
    assert all(op.result == result and op.node for op in history.ops)


def test_a_call_that_overruns_has_its_connections_broken_and_its_client_goes_on(tmp_path: Path) -> None:
    load = BreakableLoad(lambda call, place: "hang" if place.node == "a" else "", Pace(rate=20, deadline=0.4))
    history = drive(load, tmp_path, 2.0)
    late = [op for op in history.ops if op.outcome == INFO]
    assert len(late) >= 3
    assert all(0.4 <= op.seconds <= 2.5 and op.node == "a" for op in late)
    assert {op.error for op in late} == {"no answer within 0.4 s: ConnectionResetError: reset"}
    assert load.opened == load.pace.workers


def test_a_client_that_never_comes_back_is_recorded_at_its_deadline_and_replaced(tmp_path: Path) -> None:
    """Whatever is left of it closes its connections when it ends, and is not heard any more."""
    free = threading.Event()
    load = Load(lambda call, place: free.wait(30) if place.node == "a" else None, Pace(rate=20, deadline=0.4))
    history = drive(load, tmp_path, 2.5)
    late = [op for op in history.ops if op.outcome == INFO]
    assert len(late) >= 6
    assert all(0.4 <= op.seconds <= 3.0 and op.node == "a" for op in late)
    assert {op.error for op in late} == {"no answer within 0.4 s"}
    assert max(op.ended for op in history.ops if op.outcome == OK) > min(op.ended for op in late)
    assert load.opened > load.pace.workers
    free.set()
    until = time.monotonic() + 5
    while load.closed < load.opened and time.monotonic() < until:
        time.sleep(0.02)
    assert load.closed == load.opened


def test_what_was_given_up_may_still_be_done_also_a_pure_call(tmp_path: Path) -> None:
    """A consumer that hangs may be about to acknowledge: then a message is gone that nobody has recorded."""
    calls = (Call("read") for _ in itertools.count())
    load = Load(lambda call, place: time.sleep(3), Pace(rate=5, workers=1, deadline=0.2), calls)
    history = drive(load, tmp_path, 0.9)
    assert outcomes(history) == {INFO}


def test_stopping_waits_for_what_is_under_way_but_not_beyond_its_deadline(tmp_path: Path) -> None:
    slow = Load(lambda call, place: time.sleep(0.6), Pace(rate=10, workers=2))
    assert outcomes(drive(slow, tmp_path, 0.3)) == {OK}
    stuck = Load(lambda call, place: time.sleep(20), Pace(rate=10, workers=2, deadline=0.5))
    began = time.monotonic()
    assert outcomes(drive(stuck, tmp_path, 0.3)) == {INFO}
    assert time.monotonic() - began < 6


def test_an_operation_is_written_down_before_it_is_invoked(tmp_path: Path) -> None:
    """Whoever forgets nothing can be killed at any moment."""
    path = tmp_path / "history.jsonl"

    def answer(call: Call, place: Place) -> None:
        log.flush()
        assert f'"type":"invoke","i":{call.value + 1},' in path.read_text()

    with HistoryLog(path, {}) as log:
        recorder = Recorder(log, Load(answer, Pace(rate=50, workers=1)), PLACES)
        recorder.start()
        time.sleep(0.3)
        recorder.stop()
    assert recorder.good > 5
    assert outcomes(read_history(path)) == {OK}


def test_what_was_missed_is_not_made_up_for(tmp_path: Path) -> None:
    """Held up for two seconds, the clients go on at their rate: users do not queue, and a recovering service is
    not to be hit by all that was missed."""
    began = time.monotonic()
    load = Load(
        lambda call, place: time.sleep(max(0.0, began + 2.0 - time.monotonic())), Pace(rate=50, workers=2, deadline=5)
    )
    history = drive(load, tmp_path, 3.0)
    # Held up for two of the seconds: at the full rate all along it would be 50 a second.
    span = max(op.began for op in history.ops) - min(op.began for op in history.ops)
    assert 20 <= len(history.ops) <= 50 * (span - 1.0) + 5


def test_a_follower_learns_how_each_operation_ended(tmp_path: Path) -> None:
    class Follower(Load):
        def ended(self, op: Op) -> None:
            self.got.append(op)

    load = Follower(refuse("a"), Pace(rate=50))
    history = drive(load, tmp_path, 0.3)
    assert sorted(op.index for op in load.got) == [op.index for op in history.ops]


def test_a_workload_that_makes_a_mistake_is_not_taken_for_health(tmp_path: Path) -> None:
    def calls() -> Iterator[Call]:
        yield Call("write", 1)
        raise KeyError("gone")

    history = drive(Load(lambda call, place: None, Pace(rate=50, workers=1), calls()), tmp_path, 0.3)
    assert [mark.detail["seen"] for mark in history.all(TROUBLE)] == ["script: client 1 died: KeyError: 'gone'"]


def settle(load: Load, folder: Path, patience: float = 5.0) -> tuple[bool, History]:
    with HistoryLog(folder / "history.jsonl", {}) as log:
        done = Recorder(log, load, PLACES).settle(patience)
    return done, read_history(folder / "history.jsonl")


def test_final_reads_are_tried_until_they_are_answered(tmp_path: Path) -> None:
    tries = itertools.count(1)

    def answer(call: Call, place: Place) -> object:
        if call.value == 2 and next(tries) < 3:
            raise OSError("not yet")
        return [call.value, place.node]

    load = Load(answer, Pace(rate=1))
    load.finals = [Call("read", number, node="c", pinned=True) for number in (1, 2, 3)]
    done, history = settle(load, tmp_path)
    assert done
    assert [(op.value, op.outcome) for op in history.ops] == [(1, OK), (2, FAIL), (2, FAIL), (2, OK), (3, OK)]
    assert all(op.final for op in history.ops)
    assert [op.result for op in load.got] == [[1, "c"], [2, "c"], [3, "c"]]


def test_a_final_read_that_hangs_ends_at_its_deadline(tmp_path: Path) -> None:
    hung = []

    def answer(call: Call, place: Place) -> None:
        if not hung:
            hung.append(True)
            time.sleep(20)

    load = Load(answer, Pace(rate=1, deadline=0.3))
    load.finals = [Call("drain", 1)]
    began = time.monotonic()
    done, history = settle(load, tmp_path)
    assert done
    assert time.monotonic() - began < 6
    assert [(op.outcome, op.error) for op in history.ops] == [(INFO, "no answer within 0.3 s"), (OK, "")]
    assert load.opened == 2


def test_final_reads_that_nobody_answers_are_given_up(tmp_path: Path) -> None:
    load = Load(fail_with(OSError("no")), Pace(rate=1))
    load.finals = [Call("read", 1), Call("read", 2)]
    done, history = settle(load, tmp_path, patience=0.7)
    assert not done
    assert {op.value for op in history.ops} == {1}


def test_no_final_reads_are_settled_at_once(tmp_path: Path) -> None:
    done, history = settle(Load(refuse(), Pace(rate=1)), tmp_path)
    assert done
    assert history.ops == ()
