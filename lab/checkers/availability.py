"""How available a service was: failures, downtime and latency before, during and after the fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict, quote
from quorate.lab.checkers.finding import ENOUGH, too_little
from quorate.lab.history import FAULT, INFO, INJECTED, OK, RECOVERED, History, Op

__all__ = ["ENOUGH", "Availability"]

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Availability:
    """Figures of one workload; unknown when there was too little traffic, invalid beyond a limit, else valid.

    *max_gap* (s) limits the longest time without a success, *max_failed* the failures since the fault; None: no limit.

    downtime: from the beginning of the first error since the fault to the end of the last one, as the OpenStack
    reliability tests count it; nought without errors. longest gap: between two successes, from the last one before
    the fault to the end of the load. Latencies are those of successes; *before* has ended when the fault begins,
    *after* begins when the cluster is whole again, *during* is between. in flight: failures that had begun before the
    fault was complete; late: those that began after that.
    """

    workload: str
    max_gap: float | None = None
    max_failed: int | None = None

    @property
    def name(self) -> str:
        return f"availability of {self.workload}"

    def check(self, history: History) -> Verdict:
        ops = sorted((op for op in history.of(self.workload) if not op.final), key=_began)
        fault, injected, recovered = (history.mark(name) for name in (FAULT, INJECTED, RECOVERED))
        if fault is None or not ops:
            return Verdict(self.name, UNKNOWN, "there was no fault" if fault is None else "there was no load")
        whole = recovered.t if recovered else float("inf")
        phases = {
            "before": [op for op in ops if op.ended < fault.t],
            "during": [op for op in ops if op.ended >= fault.t and op.began < whole],
            "after": [op for op in ops if op.ended >= fault.t and op.began >= whole],
        }
        since = [*phases["during"], *phases["after"]]
        failed = [op for op in since if op.outcome != OK]
        late = [op for op in failed if injected is not None and op.began > injected.t]
        gap, gap_at = _longest_gap(ops, fault.t)
        seconds = max(op.ended for op in ops) - ops[0].began
        figures: dict[str, float] = {
            "operations": len(ops),
            "rate (/s)": round(len(ops) / max(seconds, 0.001), 2),
            "failed": len(failed),
            "failed before the fault": sum(op.outcome != OK for op in phases["before"]),
            "failed in flight": len(failed) - len(late),
            "failed late": len(late),
            "without outcome": sum(op.outcome == INFO for op in failed),
            "downtime (s)": round(max(op.ended for op in failed) - failed[0].began, 3) if failed else 0.0,
            "longest gap (s)": round(gap, 3),
            "longest gap from fault (s)": round(gap_at - fault.t, 3),
            **_latencies(phases),
            **_per_node(failed),
        }
        words = (
            f"{len(failed)} of {len(since)} operations failed since the fault ({len(late)} began after it was complete)"
            f", downtime {figures['downtime (s)']:.2f} s, longest gap {gap:.2f} s"
        )
        offending = quote(late or failed)
        broken = [
            *([f"the longest gap is above {self.max_gap:g} s"] if _above(gap, self.max_gap) else []),
            *([f"more than {self.max_failed} operations failed"] if _above(len(failed), self.max_failed) else []),
        ]
        if broken:
            return Verdict(self.name, INVALID, "; ".join([*broken, words]), figures, offending)
        doubt = too_little(history, self.workload)
        if not any(op.began > fault.t for op in ops):
            doubt = doubt or "no operation began after the fault"
        if doubt:
            return Verdict(self.name, UNKNOWN, doubt, figures, offending)
        return Verdict(self.name, VALID, words, figures, offending)


def _above(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


def _longest_gap(ops: Sequence[Op], fault: float) -> tuple[float, float]:
    """The longest time without a success since the last one before the *fault*, and when it began.

    It ends with the load: what is invoked last, for an operation that hangs then keeps nobody waiting behind it.
    """
    good = sorted(op.ended for op in ops if op.outcome == OK)
    first = max((t for t in good if t <= fault), default=ops[0].began)
    moments = [first, *(t for t in good if t > fault), max(ops[-1].began, fault)]
    return max((later - earlier, earlier) for earlier, later in pairwise(sorted(moments)))


def _latencies(phases: Mapping[str, Sequence[Op]]) -> dict[str, float]:
    """Percentiles (s) of the successes of each phase that had any, and how many they were."""
    figures: dict[str, float] = {}
    for phase, ops in phases.items():
        seconds = sorted(op.seconds for op in ops if op.outcome == OK)
        figures[f"ok {phase}"] = len(seconds)
        for percent in PERCENTILES if seconds else ():
            # The nearest rank: a value that was measured.
            figures[f"p{percent} {phase} (s)"] = round(seconds[-(-percent * len(seconds) // 100) - 1], 6)
    return figures


def _per_node(failed: Sequence[Op]) -> dict[str, float]:
    counts = Counter(op.node or "no node" for op in failed)
    return {f"failed at {node}": count for node, count in sorted(counts.items())}


def _began(op: Op) -> float:
    return op.began
