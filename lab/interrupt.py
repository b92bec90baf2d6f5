"""Ctrl-C while a cluster is broken: it ends the run, and never the healing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """The user, or whoever sent SIGTERM, wants the run to end."""


class Interrupts:
    """What SIGINT and SIGTERM do: raise :class:`Interrupted` once, where it is welcome; then only be remembered."""

    def __init__(self) -> None:
        self.seen = ""
        self._held = 0
        self._raised = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.seen = self.seen or signal.Signals(number).name
        if not self._held:
            self.check()

    def check(self) -> None:
        """Raise what came while it was held back, once."""
        if self.seen and not self._raised:
            self._raised = True
            raise Interrupted(self.seen)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, nothing is interrupted. What came is raised by the next :meth:`check`."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """SIGINT and SIGTERM are handled so within. Only a process's main thread can have it; elsewhere nothing changes."""
    caught = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, caught.handle) for number in numbers]
    try:
        yield caught
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM is what Ctrl-C is within, so that what has to be done at the end is done. Only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
