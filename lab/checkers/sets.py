"""Elements added one by one and read at the end: what was acknowledged is there, and nothing that nobody added."""

from __future__ import annotations

from dataclasses import dataclass

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict, quote
from quorate.lab.history import FAIL, INFO, OK, History, Op


@dataclass(frozen=True)
class SetChecker:
    """*add* N adds an element; a final *read* [from, to) gives those of that range that its node has.

    lost: acknowledged, and missing in a node's final read. unexpected: read, but never tried, or certainly not done.
    recovered: its outcome was unknown, and it is there. Valid when nothing is lost and nothing unexpected.
    """

    workload: str
    add: str
    read: str

    @property
    def name(self) -> str:
        return self.workload

    def check(self, history: History) -> Verdict:
        ops = history.of(self.workload)
        adds: dict[int, Op] = {op.value: op for op in ops if op.f == self.add}
        reads = [op for op in ops if op.f == self.read and op.final and op.outcome == OK]
        acknowledged = {n for n, op in adds.items() if op.outcome == OK}
        lost: set[int] = set()
        unexpected: set[int] = set()
        recovered: set[int] = set()
        covered: dict[str, set[int]] = {}
        for read in reads:
            start, end = read.value
            there = set(read.result)
            asked = {n for n in adds if start <= n < end}
            covered.setdefault(read.node, set()).update(asked)
            lost |= {n for n in asked & acknowledged if n not in there}
            unexpected |= {n for n in there if n not in adds or adds[n].outcome == FAIL}
            recovered |= {n for n in there if n in adds and adds[n].outcome == INFO}
        figures = {
            "attempted": len(adds),
            "acknowledged": len(acknowledged),
            "lost": len(lost),
            "unexpected": len(unexpected),
            "recovered": len(recovered),
            "nodes read": len(covered),
        }
        offending = quote([adds[n] for n in sorted(lost)]) or tuple(f"{n} was never added" for n in sorted(unexpected))
        if lost or unexpected:
            words = f"{len(lost)} acknowledged elements lost, {len(unexpected)} that nobody added"
            return Verdict(self.name, INVALID, words, figures, offending)
        unread = {n for n in acknowledged if not covered or any(n not in read for read in covered.values())}
        if not acknowledged or unread:
            words = f"{len(unread)} acknowledged elements were not read at the end" if unread else "nothing was added"
            return Verdict(self.name, UNKNOWN, words, figures)
        words = f"all {len(acknowledged)} acknowledged elements are on each of {len(covered)} nodes"
        return Verdict(self.name, VALID, words, figures)
