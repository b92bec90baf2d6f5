"""Drives one workload's clients at a steady pace against all nodes, and records every operation.

The recording, the deadline and the choice of the node are here, not in the clients: a client can neither forget to
record nor hang, and every client goes to the next node when one refuses it, as behind an alias with several addresses.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence

from quorate.lab.history import FAIL, INFO, OK, HistoryLog, Op
from quorate.lab.workload import Call, Pace, Place, Refused, Rejected, Session, Workload

_GRACE = 0.5
"""Seconds beyond its deadline after which an operation is given up, whatever its thread is stuck in."""
_FINAL_PAUSE = 0.5


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
        self._stopping = threading.Event()
        self._began = 0.0
        self._workers = itertools.count(1)
        self._busy: dict[int, tuple[float, int]] = {}
        self._good = 0
        self._last_error = ""
        self.ops: list[Op] = []
        """What has completed so far, for a look while it runs: append-only."""

    def start(self) -> None:
        self._began = time.monotonic()
        for _ in range(self.pace.workers):
            self._hire()
        threading.Thread(target=self._watch, daemon=True, name=f"{self.workload.name}-watch").start()

    def stop(self) -> None:
        """Invoke nothing more; what is under way gets until its deadline to end."""
        self._stopping.set()
        until = time.monotonic() + self.pace.deadline + _GRACE
        while self._busy and time.monotonic() < until:
            time.sleep(0.02)
        self._give_up(time.monotonic())

    @property
    def good(self) -> int:
        """How many operations were ok so far."""
        return self._good

    @property
    def last_error(self) -> str:
        """Why the last one that was not ok was not."""
        return self._last_error

    def settle(self, patience: float = 60.0) -> bool:
        """Carry out the final reads, each tried until it is ok or *patience* seconds have passed; whether all were."""
        turns = itertools.count()
        final = self.workload.final()
        session = self.workload.open()
        try:
            call = next(final)
            until = time.monotonic() + patience
            while True:
                op = self._bounded(session, 0, next(turns), call)
                if op.outcome == OK:
                    call, until = final.send(op), time.monotonic() + patience
                elif time.monotonic() > until:
                    return False
                else:
                    session.close()
                    session = self.workload.open()
                    time.sleep(_FINAL_PAUSE)
        except StopIteration:
            return True
        finally:
            session.close()

    # -- one operation -----------------------------------------------------------------------------------

    def _bounded(self, session: Session, worker: int, turn: int, call: Call) -> Op:
        """A final read in a thread of its own, so that it too ends at its deadline whatever the client does."""
        index = self._log.invoke(self.workload.name, worker, call.f, call.value, final=True)
        began, answer = self._log.now(), []
        thread = threading.Thread(
            target=lambda: answer.append(self._ask(session, turn, call)), daemon=True, name="final-read"
        )
        thread.start()
        thread.join(self.pace.deadline + _GRACE)
        outcome, node, result, error = answer[0] if answer else (INFO, "", None, "no answer within the deadline")
        self._log.complete(index, outcome, node, result, error)
        return Op(
            index, self.workload.name, worker, call.f, call.value, began, self._log.now(), outcome, node, result, error
        )

    def _ask(self, session: Session, turn: int, call: Call) -> tuple[str, str, object, str]:
        """Try the nodes in turn until one takes *call*: outcome, node, result, error."""
        until = time.monotonic() + self.pace.deadline
        refusals = []
        for place in self._order(turn, call):
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                return OK, place.node, session.invoke(call, place, left), ""
            except Refused as refusal:
                refusals.append(f"{place.node}: {refusal}")
            except Rejected as rejection:
                return FAIL, place.node, None, str(rejection)[:200]
            except Exception as error:
                outcome = FAIL if call.f in self.workload.pure else INFO
                return outcome, place.node, None, f"{type(error).__name__}: {error}"[:200]
        return FAIL, "", None, f"no node takes requests: {'; '.join(refusals)}"[:300]

    def _order(self, turn: int, call: Call) -> Sequence[Place]:
        first = next((i for i, place in enumerate(self._places) if place.node == call.node), None)
        if first is not None and call.pinned:
            return (self._places[first],)
        start = turn % len(self._places) if first is None else first
        return self._places[start:] + self._places[:start]

    # -- the workers -------------------------------------------------------------------------------------

    def _hire(self) -> None:
        number = next(self._workers)
        threading.Thread(target=self._work, args=(number,), daemon=True, name=f"{self.workload.name}-{number}").start()

    def _work(self, worker: int) -> None:
        session = self.workload.open()
        interval = 1.0 / self.pace.rate if self.pace.rate else 0.0
        try:
            while not self._stopping.is_set():
                with self._lock:
                    tick = next(self._ticks)
                due = self._began + tick * interval
                now = time.monotonic()
                if due > now and self._stopping.wait(due - now):
                    return
                with self._lock:
                    call = next(self._calls)
                    index = self._log.invoke(self.workload.name, worker, call.f, call.value)
                    began = self._log.now()
                    self._busy[worker] = (time.monotonic(), index)
                outcome, node, result, error = self._ask(session, tick, call)
                with self._lock:
                    # The watch has given this operation up, recorded it, and hired somebody else.
                    if self._busy.pop(worker, None) is None:
                        return
                    self._log.complete(index, outcome, node, result, error)
                    ended = self._log.now()
                    self.ops.append(
                        Op(
                            index,
                            self.workload.name,
                            worker,
                            call.f,
                            call.value,
                            began,
                            ended,
                            outcome,
                            node,
                            result,
                            error,
                        )
                    )
                    if outcome == OK:
                        self._good += 1
                    else:
                        self._last_error = error
        finally:
            session.close()

    def _watch(self) -> None:
        """Record what overran the deadline, whatever its thread is stuck in, and replace the worker."""
        while not self._stopping.wait(0.1):
            for _ in range(self._give_up(time.monotonic() - self.pace.deadline - _GRACE)):
                self._hire()

    def _give_up(self, before: float) -> int:
        """Close the books on every operation that began before *before* (monotonic); how many."""
        with self._lock:
            stuck = [worker for worker, (began, _) in self._busy.items() if began <= before]
            for worker in stuck:
                _, index = self._busy.pop(worker)
                self._last_error = f"no answer within {self.pace.deadline:.0f} s"
                self._log.complete(index, INFO, error=self._last_error)
        return len(stuck)
