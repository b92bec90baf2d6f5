"""The figures that a report shows, from the history; where a checker has them, they are the checker's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quorate.lab.checker import Verdict, judge
from quorate.lab.checkers.availability import Availability
from quorate.lab.checkers.recovery import Recovery
from quorate.lab.history import END, EVENT, FAULT, FINAL, HEALED, HEALING, INJECTED, OK, RECOVERED, History
from quorate.lab.report.model import Load, Moment, Part

PHASES = (FAULT, INJECTED, HEALING, HEALED, RECOVERED, FINAL, END)


def marks(history: History) -> dict[str, float]:
    """The first moment of each phase that the run reached (s)."""
    found = ((name, history.mark(name)) for name in PHASES)
    return {name: mark.t for name, mark in found if mark}


def load(history: History, workload: str, verdicts: Sequence[Verdict] = ()) -> Load:
    """What the clients of *workload* saw, as :class:`Availability` counts it (whose verdict may be in *verdicts*).

    Final reads do not count.
    """
    checker = Availability(workload)
    verdict = next((one for one in verdicts if one.checker == checker.name), None) or judge(checker, history)
    seen = verdict.figures
    fault = history.mark(FAULT)
    ops = [op for op in history.of(workload) if not op.final]
    unanswered = int(seen.get("without outcome", 0))
    return Load(
        workload=workload,
        requests=len(ops),
        failed=int(seen.get("failed", 0)) - unanswered,
        unknown=unanswered,
        early=sum(op.outcome != OK and (fault is None or op.ended < fault.t) for op in ops),
        downtime=float(seen.get("downtime (s)", 0.0)),
        gap=float(seen.get("longest gap (s)", 0.0)),
        gap_at=(fault.t if fault else 0.0) + float(seen.get("longest gap from fault (s)", 0.0)),
        before=_part(seen, "before"),
        during=_part(seen, "during"),
        after=_part(seen, "after"),
    )


def _part(seen: Mapping[str, Any], phase: str) -> Part:
    p50, p95, p99 = (seen.get(f"p{percent} {phase} (s)") for percent in (50, 95, 99))
    return Part(int(seen.get(f"ok {phase}", 0)), p50, p95, p99)


def moments(history: History) -> tuple[Moment, ...]:
    """What the cluster did, in order."""
    return tuple(
        Moment(mark.t, *(str(mark.detail.get(key, "")) for key in ("kind", "node", "text")))
        for mark in history.all(EVENT)
    )


def recovery(history: History) -> tuple[float | None, float | None, float | None]:
    """Seconds from the fault until the cluster noticed, until an instance was back, until all was whole again."""
    seen = judge(Recovery(), history).figures
    return seen.get("fault to detected (s)"), seen.get("fault to first instance (s)"), seen.get("fault to whole (s)")
