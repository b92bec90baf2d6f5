"""A run's time as a coordinate: seconds since the fault, and where they lie in a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from quorate.lab.history import FAULT, FINAL, History

_LEAD = 20.0
"""Seconds before the fault that are shown at most: the warm-up says nothing."""
_STEPS = (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


@dataclass(frozen=True)
class Axis:
    """From *start* to *end* (s of the run), drawn from *left* to *right* (px); *zero* is the fault."""

    start: float
    end: float
    zero: float
    left: float
    right: float

    def x(self, t: float) -> float:
        """Where the moment *t* of the run lies; outside the picture it is at its edge."""
        share = (min(max(t, self.start), self.end) - self.start) / (self.end - self.start)
        return self.left + share * (self.right - self.left)

    def step(self, pixels: float) -> float:
        """The shortest round number of seconds that is at least *pixels* wide."""
        least = pixels * (self.end - self.start) / (self.right - self.left)
        return next((step for step in _STEPS if step >= least), _STEPS[-1] * ceil(least / _STEPS[-1]))

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Places and labels, at least 60 px apart, counted from the fault."""
        step = self.step(60)
        number = ceil((self.start - self.zero) / step)
        while self.zero + number * step <= self.end:
            value = number * step
            yield self.x(self.zero + value), f"{value:+g}" if value else "0"
            number += 1


def axis(history: History, left: float, right: float) -> Axis | None:
    """The axis of a run's picture; None when nothing happened in it."""
    ops = [op for op in history.ops if not op.final]
    fault = history.mark(FAULT)
    if not ops and fault is None:
        return None
    first = min((op.began for op in ops), default=fault.t if fault else 0.0)
    zero = fault.t if fault else first
    final = history.mark(FINAL)
    last = final.t if final else max([zero, *(op.ended for op in ops)])
    return Axis(max(first, zero - _LEAD), max(last, zero + 1.0), zero, left, right)
