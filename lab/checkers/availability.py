"""How available a service was: failures, downtime and latency before, during and after the fault."""

from __future__ import annotations

from dataclasses import dataclass

from quorate.lab.checker import UNKNOWN, VALID, Verdict
from quorate.lab.history import FAULT, OK, History

ENOUGH = 20
"""Successful operations before the fault without which a run says nothing."""


@dataclass(frozen=True)
class Availability:
    """Figures of one workload; valid when there was enough traffic before the fault."""

    workload: str

    @property
    def name(self) -> str:
        return f"availability of {self.workload}"

    def check(self, history: History) -> Verdict:
        ops = [op for op in history.of(self.workload) if not op.final]
        fault = history.mark(FAULT)
        if fault is None:
            return Verdict(self.name, UNKNOWN, "there was no fault")
        before = [op for op in ops if op.ended < fault.t and op.outcome == OK]
        if len(before) < ENOUGH:
            return Verdict(self.name, UNKNOWN, f"only {len(before)} operations were ok before the fault")
        failed = [op for op in ops if op.outcome != OK]
        figures = {"operations": len(ops), "failed": len(failed)}
        return Verdict(self.name, VALID, f"{len(failed)} of {len(ops)} operations failed", figures)
