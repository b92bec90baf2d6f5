"""What the audits of the cluster after the run found."""

from __future__ import annotations

from dataclasses import dataclass

from quorate.lab.checker import UNKNOWN, VALID, Verdict, worst
from quorate.lab.history import AUDIT, History


@dataclass(frozen=True)
class Audits:
    """As bad as the worst finding; unknown when nothing was audited."""

    name: str = "audits"

    def check(self, history: History) -> Verdict:
        found = [mark.detail for mark in history.all(AUDIT)]
        if not found:
            return Verdict(self.name, UNKNOWN, "the cluster was not audited")
        bad = tuple(f"{one['name']}: {one['seen']}" for one in found if one["value"] != VALID)
        words = "; ".join(bad) if bad else f"{len(found)} audits found nothing"
        figures = {"audits": len(found), "not valid": len(bad)}
        return Verdict(self.name, worst([str(one["value"]) for one in found]), words, figures, bad)
