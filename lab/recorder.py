"""Drives one workload's clients at a steady pace against all nodes, and records every operation.

The recording, the deadline and the choice of the node are here, not in the clients: a client can neither forget to
record nor hang, and every client goes to the next node when one refuses it, as behind an alias with several addresses.

An operation that overruns its deadline has its session's connections broken under it, so that its thread comes back.
One that does not come back even so is given up: the books are closed on it and another client takes the place of its
own, which closes its connections if it ever returns, and is not heard any more.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from quorate.lab.history import FAIL, INFO, OK, TROUBLE, HistoryLog, Op
from quorate.lab.workload import (
    Call,
    Follower,
    Interruptible,
    Pace,
    Place,
    Refused,
    Rejected,
    Session,
    Uncertain,
    Workload,
)

_INTERRUPT = 0.1
"""Seconds beyond its deadline after which an operation's connections are broken."""
_GIVE_UP = 0.6
"""Seconds beyond its deadline after which an operation is given up."""
_LOOK = 0.1
"""Seconds between two looks of the watch."""
_ARREARS = 1.0
"""Seconds of operations that are made up for when the clients were held up; the rest is dropped, as users drop it."""
_FINAL_PAUSE = 0.5


class _Answer(NamedTuple):
    outcome: str
    node: str = ""
    result: Any = None
    error: str = ""


@dataclass(eq=False)
class _Running:
    """An operation under way. *since* is monotonic, *began* the time of the run.

    *lock* decides between its client and the watch: who closes the books, and that nobody's connections are broken
    for an operation that is over. Each has its own, so that clients do not wait for each other.
    """

    worker: int
    turn: int
    call: Call
    session: Session
    final: bool
    index: int = 0
    began: float = 0.0
    since: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)
    node: str = ""
    interrupted: bool = False
    closed: bool = False
    given_up: bool = False
    op: Op | None = None
    done: threading.Event | None = None


class Recorder:
    """The clients of *workload*, from :meth:`start` to :meth:`stop`; then its final reads with :meth:`settle`."""

    def __init__(self, log: HistoryLog, workload: Workload, places: Sequence[Place], pace: Pace | None = None) -> None:
        self.workload = workload
        self.pace = pace or workload.pace
        self._log = log
        self._places = tuple(places)
        self._calls: Iterator[Call] = workload.ops()
        self._lock = threading.Lock()
        self._ticks = itertools.count()
        self._turns: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._began = 0.0
        self._workers = itertools.count(1)
        self._running: set[_Running] = set()
        self._follower = workload if isinstance(workload, Follower) else None
        self._last_error = ""
        self.ops: list[Op] = []
        """What has completed so far, for a look while it runs: append-only."""

    def start(self) -> None:
        self._began = time.monotonic()
        for _ in range(self.pace.workers):
            self._hire()
        self._thread(self._watch, self._stopped, name="watch")

    def halt(self) -> None:
        """Invoke nothing more; waits for nothing."""
        with self._lock:
            self._stopping.set()

    def stop(self) -> None:
        """Invoke nothing more; what is under way gets until its deadline to end."""
        self.halt()
        until = time.monotonic() + self.pace.deadline + _GIVE_UP + 1.0
        while self._running and time.monotonic() < until:
            time.sleep(0.02)
        self._stopped.set()
        self._check(time.monotonic() + self.pace.deadline + _GIVE_UP)

    @property
    def good(self) -> int:
        """How many operations of the load were ok so far."""
        return sum(op.outcome == OK and not op.final for op in tuple(self.ops))

    @property
    def last_error(self) -> str:
        """Why the last one that was not ok was not."""
        return self._last_error

    def settle(self, patience: float = 60.0) -> bool:
        """Carry out the final reads, each tried until it is ok or *patience* seconds have passed; whether all were."""
        with self._watching():
            final = self.workload.final()
            session = self.workload.open()
            try:
                call = next(final)
                until = time.monotonic() + patience
                while True:
                    with self._lock:
                        running = self._begin(0, session, call, final=True)
                    running.done = threading.Event()
                    self._thread(self._read, running, name="final")
                    # The watch sees to it that this ends.
                    running.done.wait()
                    assert running.op is not None, "done is set when the books are closed"
                    if running.op.outcome == OK:
                        call, until = final.send(running.op), time.monotonic() + patience
                        continue
                    if not running.given_up:
                        self._thread(self._close, session, name="close")
                    session = self.workload.open()
                    if time.monotonic() > until:
                        return False
                    time.sleep(_FINAL_PAUSE)
            except StopIteration:
                return True
            except Exception as error:
                # A mistake of the workload itself: the run is not settled, but what it recorded is kept.
                said = f"{self.workload.name}: final reads: {type(error).__name__}: {error}"
                self._log.mark(TROUBLE, seen=said[:300])
                return False
            finally:
                self._thread(self._close, session, name="close")

    # -- one operation -----------------------------------------------------------------------------------

    def _begin(self, worker: int, session: Session, call: Call, *, final: bool = False) -> _Running:
        """From here on *call* counts as under way. With the lock held."""
        turn = self._turns[call.f]
        self._turns[call.f] += 1
        running = _Running(worker, turn, call, session, final)
        self._running.add(running)
        return running

    def _record(self, running: _Running) -> _Answer:
        """Open the books on *running*, then carry it out."""
        call = running.call
        running.index = self._log.invoke(self.workload.name, running.worker, call.f, call.value, final=running.final)
        running.began = self._log.now()
        return self._ask(running)

    def _finish(self, running: _Running, answer: _Answer) -> bool:
        """Close the books on *running*, once; False when they were closed already."""
        with running.lock:
            if running.closed:
                return False
            running.closed = True
        outcome, node, result, error = answer
        self._log.complete(running.index, outcome, node, result, error)
        running.op = op = Op(
            running.index,
            self.workload.name,
            running.worker,
            running.call.f,
            running.call.value,
            running.began,
            self._log.now(),
            outcome,
            node,
            result,
            error,
            final=running.final,
        )
        self.ops.append(op)
        if outcome != OK:
            self._last_error = error
        if self._follower is not None:
            with self._lock:
                self._follower.ended(op)
        # Last: whoever stops the clients waits for this, and then closes the history.
        self._running.discard(running)
        if running.done is not None:
            running.done.set()
        return True

    def _ask(self, running: _Running) -> _Answer:
        """Try the nodes in turn until one takes the call."""
        call, until = running.call, running.since + self.pace.deadline
        refusals = []
        for place in self._order(running.turn, call):
            left = until - time.monotonic()
            if left <= 0:
                break
            running.node = place.node
            try:
                return _Answer(OK, place.node, running.session.invoke(call, place, left))
            except Refused as refusal:
                refusals.append(f"{place.node}: {refusal}")
            except Rejected as rejection:
                return _Answer(FAIL, place.node, None, self._words(running, str(rejection)))
            except Uncertain as doubt:
                return _Answer(INFO, place.node, doubt.result, self._words(running, str(doubt)))
            except Exception as error:
                said = self._words(running, f"{type(error).__name__}: {error}")
                return _Answer(self._unknown(call), place.node, None, said)
        return _Answer(FAIL, "", None, f"no node takes requests: {'; '.join(refusals)}"[:300])

    def _words(self, running: _Running, said: str) -> str:
        return f"{self._late()}: {said}"[:200] if running.interrupted else said[:200]

    def _late(self) -> str:
        return f"no answer within {self.pace.deadline:g} s"

    def _unknown(self, call: Call) -> str:
        """What has no effect was certainly not done when its answer is missing."""
        return FAIL if call.f in self.workload.pure else INFO

    def _order(self, turn: int, call: Call) -> Sequence[Place]:
        first = next((i for i, place in enumerate(self._places) if place.node == call.node), None)
        if first is not None and call.pinned:
            return (self._places[first],)
        start = turn % len(self._places) if first is None else first
        return self._places[start:] + self._places[:start]

    # -- the threads -------------------------------------------------------------------------------------

    def _thread(self, work: Any, *args: Any, name: str) -> None:
        # A daemon: one that is stuck in a library for ever does not keep the program from ending.
        threading.Thread(target=work, args=args, daemon=True, name=f"{self.workload.name}-{name}").start()

    def _hire(self) -> None:
        number = next(self._workers)
        self._thread(self._work, number, name=str(number))

    def _work(self, worker: int) -> None:
        session: Session | None = None
        try:
            session = self.workload.open()
            while self._wait_turn():
                with self._lock:
                    call = None if self._stopping.is_set() else next(self._calls, None)
                    if call is None:
                        return
                    running = self._begin(worker, session, call)
                # If the watch has given it up, it has recorded it, and hired somebody else.
                if not self._finish(running, self._record(running)):
                    return
        except Exception as error:
            # A mistake of the workload itself: whatever was not loaded because of it must not look like health.
            self._last_error = f"client {worker} died: {type(error).__name__}: {error}"[:300]
            self._log.mark(TROUBLE, seen=f"{self.workload.name}: {self._last_error}")
        finally:
            if session is not None:
                self._close(session)

    def _wait_turn(self) -> bool:
        """Wait until the next operation is due; False when there is to be none."""
        if self.pace.rate:
            with self._lock:
                due = self._began + next(self._ticks) / self.pace.rate
                behind = time.monotonic() - due
                if behind > _ARREARS:
                    self._began += behind
            if behind < 0:
                self._stopping.wait(-behind)
        return not self._stopping.is_set()

    def _read(self, running: _Running) -> None:
        if not self._finish(running, self._record(running)):
            self._close(running.session)

    @staticmethod
    def _close(session: Session) -> None:
        try:
            session.close()
        except Exception:
            # Nothing is known of a client's last breath but that it was one.
            pass

    @staticmethod
    def _interrupt(session: Session) -> None:
        if isinstance(session, Interruptible):
            try:
                session.interrupt()
            except Exception:
                # It is given up a moment later.
                pass

    # -- the watch ---------------------------------------------------------------------------------------

    @contextmanager
    def _watching(self) -> Iterator[None]:
        ended = threading.Event()
        self._thread(self._watch, ended, name="watch")
        try:
            yield
        finally:
            ended.set()

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(_LOOK):
            self._check(time.monotonic())

    def _check(self, now: float) -> None:
        """Break the connections of what is overdue at *now*; give up, and replace, what did not come back from that."""
        for one in list(self._running):
            overdue = now - one.since - self.pace.deadline
            if overdue > _INTERRUPT and not one.interrupted:
                with one.lock:
                    one.interrupted = True
                    # With the lock held: it cannot end meanwhile, and its session break under the next operation.
                    if not one.closed:
                        self._interrupt(one.session)
            if overdue > _GIVE_UP:
                one.given_up = True
                # Whatever it was about to do, it may still do: also what has no effect as long as it fails.
                late = _Answer(INFO, one.node, None, self._late())
                if self._finish(one, late) and not one.final and not self._stopping.is_set():
                    self._hire()
