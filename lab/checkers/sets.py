"""Elements added one by one and read at the end: what was acknowledged is there, and nothing that nobody added."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from quorate.lab.checker import Verdict
from quorate.lab.checkers.finding import SETTLE, Offences, conclude, nodes_to_read, once, too_little
from quorate.lab.history import FAIL, INFO, OK, History, Op


@dataclass(frozen=True)
class SetChecker:
    """*add* N adds an element, each one once; a final *read* [from, to) gives those of that range that its node has.

    lost: acknowledged, and missing in a node's final read. unexpected: read, but never tried, or certainly not done.
    duplicated: twice in one read. diverged: its outcome was unknown, and the nodes disagree about it, or it was there
    and is no more. recovered (a figure): its outcome was unknown, and it is there. Unknown unless every node was read
    for every element that may be there.
    """

    workload: str
    add: str
    read: str
    settle: float = SETTLE

    @property
    def name(self) -> str:
        return self.workload

    def check(self, history: History) -> Verdict:
        ops = history.of(self.workload)
        adds: dict[int, Op] = once(op for op in ops if op.f == self.add)
        order = sorted(adds)
        reads = [op for op in ops if op.f == self.read and op.final and op.outcome == OK]
        bad = Offences(
            {
                "lost": "acknowledged elements are missing",
                "unexpected": "elements are there that nobody added",
                "duplicated": "elements are there twice",
                "diverged": "elements are on some nodes and not on others, or vanished again",
            }
        )
        lost: set[int] = set()
        unexpected: set[int] = set()
        present: dict[int, list[Op]] = {}
        absent: dict[int, list[Op]] = {}
        covered: dict[str, set[int]] = {}
        for read in reads:
            start, end = read.value
            there = set(read.result)
            if len(there) != len(read.result):
                for n, times in Counter(read.result).items():
                    if times > 1:
                        bad.add("duplicated", f"{n} is there {times} times", read)
            for n in order[bisect_left(order, start) : bisect_left(order, end)]:
                op = adds[n]
                if op.outcome == OK:
                    if op.ended >= read.began:
                        continue
                    if n not in there and n not in lost:
                        lost.add(n)
                        bad.add("lost", f"missing on {read.node} in #{read.index}", op)
                elif op.outcome == INFO:
                    (present if n in there else absent).setdefault(n, []).append(read)
                covered.setdefault(read.node, set()).add(n)
            for n in sorted(there - unexpected):
                if n not in adds or adds[n].outcome == FAIL:
                    unexpected.add(n)
                    why = "certainly not done" if n in adds else "never tried"
                    bad.add("unexpected", f"{n} was {why}", *([adds[n]] if n in adds else []), read)
        late = [n for n in present if n in absent and self._late(adds[n], present[n], absent[n], bad)]
        nodes = nodes_to_read(history, reads)
        acknowledged = [n for n, op in adds.items() if op.outcome == OK]
        wanted = [n for n, op in adds.items() if op.outcome != FAIL]
        unread = sum(any(n not in covered.get(node, ()) for node in nodes) for n in wanted) if nodes else len(wanted)
        figures = {
            "attempted": len(adds),
            "acknowledged": len(acknowledged),
            "recovered": len(present),
            "nodes read": len(covered),
        }
        doubts = (
            too_little(history, self.workload),
            "" if acknowledged else "nothing was added",
            f"{unread} elements were not read on every node at the end" if unread else "",
            f"{len(late)} elements appeared between two nodes' reads, too soon to call it divergence" if late else "",
        )
        good = f"all {len(acknowledged)} acknowledged elements are on each of {len(covered)} nodes"
        return conclude(self.name, bad, doubts, good, figures)

    def _late(self, op: Op, present: Sequence[Op], absent: Sequence[Op], bad: Offences) -> bool:
        """Whether an element of unknown outcome, in some reads and not in others, may just have come between them."""
        seen = min(present, key=_ended)
        for read in absent:
            if read.began > seen.ended:
                bad.add("diverged", f"{op.value} is on {seen.node} and not on {read.node}", op)
                return False
        for read in absent:
            if read.began > op.ended + self.settle:
                bad.add("diverged", f"{op.value} is not on {read.node} but on {seen.node}", op)
                return False
        return True


def _ended(op: Op) -> float:
    return op.ended
