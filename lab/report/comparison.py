"""Two reports side by side: per scenario and figure the two values and their ratio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from quorate.lab.report.model import Entry, Header, Load, Report

SECONDS, COUNT, LATENCY = "s", "count", "latency"
_LITTLE = {SECONDS: 0.5, COUNT: 0.5, LATENCY: 0.01}
"""A difference that says nothing, whatever the ratio: one run is never exactly as another."""


@dataclass(frozen=True)
class Figure:
    """One figure of a scenario in both reports; None where a report does not have it. *unit* says how it is written:
    as seconds, as a count, or as a response time."""

    name: str
    a: float | None
    b: float | None
    unit: str

    @property
    def ratio(self) -> float | None:
        """The second as a multiple of the first; None when either is missing or the first is nought."""
        return self.b / self.a if self.a and self.b is not None else None

    @property
    def tendency(self) -> int:
        """-1 when the second is clearly less (which is better, for every figure here), 1 when it is clearly more."""
        if self.a is None or self.b is None:
            return 0
        apart = abs(self.b - self.a) > max(_LITTLE[self.unit], 0.15 * max(self.a, self.b))
        return 0 if not apart else -1 if self.b < self.a else 1


@dataclass(frozen=True)
class Pair:
    """A scenario that both reports have: its verdicts, and its figures in order."""

    name: str
    a: str
    b: str
    figures: tuple[Figure, ...]

    def figure(self, name: str) -> Figure:
        """The figure called *name*; one without values when there is none."""
        return next((one for one in self.figures if one.name == name), Figure(name, None, None, SECONDS))


@dataclass(frozen=True)
class Side:
    """One of the two reports: its *folder*, its header, and the scenarios that *only* it has."""

    folder: str
    header: Header
    only: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    a: Side
    b: Side
    pairs: tuple[Pair, ...]


def side_by_side(a: str, left: Report, b: str, right: Report) -> Comparison:
    """The report *left* from the folder *a* beside the report *right* from *b*."""
    ours, theirs = _named(left), _named(right)
    return Comparison(
        Side(a, left.header, tuple(name for name in ours if name not in theirs)),
        Side(b, right.header, tuple(name for name in theirs if name not in ours)),
        tuple(_pair(entry, theirs[name]) for name, entry in ours.items() if name in theirs),
    )


def _named(report: Report) -> dict[str, Entry]:
    return {entry.name: entry for entry in report.entries}


def _pair(a: Entry, b: Entry) -> Pair:
    return Pair(a.name, a.value, b.value, tuple(_figures(a, b)))


def _figures(a: Entry, b: Entry) -> Iterator[Figure]:
    yield Figure("noticed", a.detect, b.detect, SECONDS)
    yield Figure("first instance back", a.one, b.one, SECONDS)
    yield Figure("all whole", a.whole, b.whole, SECONDS)
    yield Figure("lost", a.lost, b.lost, COUNT)
    yield Figure("duplicated", a.duplicated, b.duplicated, COUNT)
    ours, theirs = ({load.workload: load for load in entry.loads} for entry in (a, b))
    for workload in dict.fromkeys([*ours, *theirs]):
        yield from _load(workload, ours.get(workload), theirs.get(workload))


def _load(workload: str, a: Load | None, b: Load | None) -> Iterator[Figure]:
    def both(name: str, unit: str, x: float | None, y: float | None) -> Figure:
        return Figure(f"{workload}: {name}", x, y, unit)

    yield both("requests not ok", COUNT, a.bad if a else None, b.bad if b else None)
    yield both("first to last error", SECONDS, a.downtime if a else None, b.downtime if b else None)
    yield both("longest gap", SECONDS, a.gap if a else None, b.gap if b else None)
    yield both("p95 before", LATENCY, a.before.p95 if a else None, b.before.p95 if b else None)
    yield both("p95 during", LATENCY, a.during.p95 if a else None, b.during.p95 if b else None)
    yield both("p99 during", LATENCY, a.during.p99 if a else None, b.during.p99 if b else None)


def _gathered(pair: Pair, name: str, how: Callable[[list[float]], float], unit: str) -> Figure:
    """The figure *name* of every workload of *pair* as one."""
    found = [one for one in pair.figures if one.name.endswith(f": {name}")]
    a = [one.a for one in found if one.a is not None]
    b = [one.b for one in found if one.b is not None]
    return Figure(name, how(a) if a else None, how(b) if b else None, unit)


def worst_gap(pair: Pair) -> Figure:
    """The longest time without a success that any workload had."""
    return _gathered(pair, "longest gap", max, SECONDS)


def all_failed(pair: Pair) -> Figure:
    """The requests of all workloads that were not ok."""
    return _gathered(pair, "requests not ok", sum, COUNT)
