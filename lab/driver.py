"""Drives one service's client at a steady rate against all addresses, and records every request.

The recording and the deadline are here, not in the clients: a client can neither forget to record nor hang.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from quorate.lab.op import FAIL, INFO, OK, Op

CONNECT_TIMEOUT = 1.0
"""Seconds a client waits for a connection before it takes the next address."""
DEADLINE = 10.0
"""Seconds after which a request has no outcome: ``info``."""
WORKERS = 6


class Refused(Exception):
    """This address takes no request now: nobody listens, or the node says that it is not ready. Try the next one."""


class Session(Protocol):
    """One worker's connections to one service. Used by one thread at a time."""

    def request(self, address: str, timeout: float) -> None:
        """One request to *address*. Raises :class:`Refused` before the request was taken, any other error after."""

    def close(self) -> None:
        """Let go of the connections."""


class Driver:
    """*rate* requests per second against *addresses* in turn, next address on a refused connection."""

    def __init__(
        self,
        service: str,
        open_session: Callable[[], Session],
        addresses: Sequence[str],
        rate: float,
        deadline: float = DEADLINE,
    ) -> None:
        self.service = service
        self._open = open_session
        self._addresses = tuple(addresses)
        self._interval = 1.0 / rate
        self._deadline = deadline
        self._ops: list[Op] = []
        self._lock = threading.Lock()
        self._ticks = itertools.count()
        self._stopping = threading.Event()
        self._began = 0.0
        self._busy: dict[threading.Thread, float] = {}

    def start(self) -> None:
        self._began = time.monotonic()
        for _ in range(WORKERS):
            self._hire()
        threading.Thread(target=self._watch, daemon=True, name=f"{self.service}-watch").start()

    def stop(self) -> None:
        """Take no further request; those under way get a second to end."""
        self._stopping.set()
        until = time.monotonic() + 1.0
        while self._busy and time.monotonic() < until:
            time.sleep(0.02)

    def ops(self) -> list[Op]:
        """Every request so far, in the order they ended."""
        with self._lock:
            return list(self._ops)

    def _hire(self) -> None:
        threading.Thread(target=self._work, daemon=True, name=f"{self.service}-client").start()

    def _work(self) -> None:
        me = threading.current_thread()
        session = self._open()
        try:
            while not self._stopping.is_set():
                with self._lock:
                    tick = next(self._ticks)
                due = self._began + tick * self._interval
                now = time.monotonic()
                if due > now and self._stopping.wait(due - now):
                    return
                began = time.monotonic()
                with self._lock:
                    self._busy[me] = began
                op = self._request(session, tick, began)
                with self._lock:
                    # The watch has given this request up, recorded it, and hired somebody else.
                    if self._busy.pop(me, None) is None:
                        return
                    self._ops.append(op)
        finally:
            session.close()

    def _request(self, session: Session, tick: int, began: float) -> Op:
        refusals = []
        for turn in range(len(self._addresses)):
            address = self._addresses[(tick + turn) % len(self._addresses)]
            left = began + self._deadline - time.monotonic()
            if left <= 0:
                break
            try:
                session.request(address, left)
            except Refused as refusal:
                refusals.append(f"{address}: {refusal}")
                continue
            except Exception as error:
                detail = f"{type(error).__name__}: {error}"[:200]
                outcome = INFO if isinstance(error, TimeoutError) else FAIL
                return Op(self.service, began, time.monotonic(), outcome, address, detail)
            return Op(self.service, began, time.monotonic(), OK, address)
        return Op(self.service, began, time.monotonic(), FAIL, "", f"no address takes requests: {'; '.join(refusals)}")

    def _watch(self) -> None:
        """Record what overran the deadline, whatever its thread is stuck in, and replace the worker."""
        while not self._stopping.wait(0.1):
            late = time.monotonic() - self._deadline - 0.5
            with self._lock:
                stuck = [thread for thread, began in self._busy.items() if began < late]
                for thread in stuck:
                    began = self._busy.pop(thread)
                    self._ops.append(
                        Op(self.service, began, time.monotonic(), INFO, "", f"no answer within {self._deadline:.0f} s")
                    )
            for _ in stuck:
                self._hire()
