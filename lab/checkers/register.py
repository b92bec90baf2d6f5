"""Registers written by one client and read on other nodes: what is read is never older than what was there before."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quorate.lab.checker import Verdict
from quorate.lab.checkers.finding import (
    SETTLE,
    Offences,
    conclude,
    nodes_to_read,
    too_little,
    unseen_since_fault,
)
from quorate.lab.history import FAIL, INFO, OK, History, Op

_NOTHING = float("-inf")
"""What a key holds before its first write."""


@dataclass(frozen=True)
class RegisterChecker:
    """``write`` [key, N], N growing with every write of a key, after which it has N unless it had more before; ``read``
    KEY gives what it has, or nothing. Final reads are of every key on every node.

    A write of unknown outcome may take effect at any time after it began. A read that overlaps a write may give either
    value. stale: a read gave less than a write that had ended well before it began. backwards: less than a read that
    had ended before it began. lost: the same in a final read. diverged: final reads differ about a write of unknown
    outcome. unexpected: a value that was never written, certainly not written, or not yet.
    """

    workload: str
    settle: float = SETTLE

    @property
    def name(self) -> str:
        return self.workload

    def check(self, history: History) -> Verdict:
        ops = history.of(self.workload)
        writes: dict[Any, list[Op]] = defaultdict(list)
        reads: dict[Any, list[Op]] = defaultdict(list)
        for op in ops:
            if op.f == "write":
                writes[op.value[0]].append(op)
            elif op.f == "read" and op.outcome == OK:
                reads[op.value].append(op)
        bad = Offences(
            {
                "stale": "reads gave an older value than one acknowledged before",
                "backwards": "reads gave an older value than one read before",
                "lost": "final reads lack the last acknowledged value",
                "diverged": "keys differ between nodes at the end",
                "unexpected": "reads gave a value that nobody had written",
            }
        )
        late = 0
        for key in sorted({*writes, *reads}, key=str):
            late += self._check_key(writes[key], reads[key], bad)
        final = [op for key in reads for op in reads[key] if op.final]
        acknowledged = [key for key in writes if any(op.outcome == OK for op in writes[key])]
        have = {(op.node, op.value) for op in final}
        nodes = nodes_to_read(history, final)
        unread = sum(any((node, key) not in have for node in nodes) for key in acknowledged)
        unread = unread if nodes else len(acknowledged)
        done = sum(op.outcome == OK for tries in writes.values() for op in tries)
        asked = [op for key in reads for op in reads[key]]
        figures = {
            "keys": len(writes),
            "writes": done,
            "writes without outcome": sum(op.outcome == INFO for tries in writes.values() for op in tries),
            "reads": len(asked),
            "nodes read": len({op.node for op in final}),
        }
        doubts = (
            too_little(history, self.workload),
            "" if done else "no write was ok",
            unseen_since_fault(history, asked, "read"),
            f"{unread} keys were not read on every node at the end" if unread else "",
            f"{late} keys changed between two nodes' final reads, too soon to call it divergence" if late else "",
        )
        good = f"{len(asked)} reads of {len(writes)} keys, none older than the {done} acknowledged writes allow"
        return conclude(self.name, bad, doubts, good, figures)

    def _check_key(self, writes: Sequence[Op], reads: Sequence[Op], bad: Offences) -> bool:
        """Judge one key; whether its final reads differ in a way that a late write may still explain."""
        by_number = {op.value[1]: op for op in writes}
        if len(by_number) != len(writes):
            raise ValueError(f"a number was written twice to {writes[0].value[0]!r}")
        sound = [op for op in reads if _expected(op, by_number, bad)]
        written = _Floor((op.ended, op.value[1], op) for op in writes if op.outcome == OK)
        read = _Floor((op.ended, _value(op), op) for op in sound)
        for op in sound:
            least, cause = written.before(op.began)
            if cause is not None and _value(op) < least:
                bad.add("lost" if op.final else "stale", f"{op.result} after {cause.value[1]}", cause, op)
                continue
            least, cause = read.before(op.began)
            if cause is not None and _value(op) < least:
                bad.add("lost" if op.final else "backwards", f"{op.result} after {cause.result}", cause, op)
        final = [op for op in sound if op.final]
        if len({op.result for op in final}) < 2:
            return False
        high = max(final, key=_value)
        write = by_number[high.result]
        for op in final:
            # Not one that came too late, for it is counted already.
            if _value(op) < _value(high) and op.began <= high.ended and write.outcome == INFO:
                if write.ended + self.settle >= op.began:
                    return True
                bad.add("diverged", f"{op.result} on {op.node}, {high.result} on {high.node}", op, high)
        return False


class _Floor:
    """The highest value that had been seen before a moment, and the operation that saw it."""

    def __init__(self, seen: Iterable[tuple[float, float, Op]]) -> None:
        self._ended: list[float] = []
        self._best: list[tuple[float, Op]] = []
        for ended, value, op in sorted(seen, key=lambda one: one[0]):
            self._ended.append(ended)
            self._best.append(max(self._best[-1], (value, op), key=lambda one: one[0]) if self._best else (value, op))

    def before(self, moment: float) -> tuple[float, Op | None]:
        count = bisect_left(self._ended, moment)
        return self._best[count - 1] if count else (_NOTHING, None)


def _expected(read: Op, writes: Mapping[Any, Op], bad: Offences) -> bool:
    """Whether somebody may have written what *read* gave."""
    if read.result is None:
        return True
    write = writes.get(read.result)
    if write is None:
        bad.add("unexpected", f"{read.result} was never written", read)
    elif write.outcome == FAIL:
        bad.add("unexpected", f"{read.result} was certainly not written", write, read)
    elif read.ended < write.began:
        bad.add("unexpected", f"{read.result} was not written yet", read, write)
    else:
        return True
    return False


def _value(read: Op) -> float:
    return _NOTHING if read.result is None else float(read.result)
