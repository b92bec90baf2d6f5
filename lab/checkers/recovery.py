"""Whether the fault happened, and whether the cluster became whole again by itself, and when."""

from __future__ import annotations

from dataclasses import dataclass

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict
from quorate.lab.history import FAULT, GAVE_UP, HEALED, INJECTED, RECOVERED, TROUBLE, History


@dataclass(frozen=True)
class Recovery:
    """Valid when every instance was active again in time; unknown when the fault was not seen to have happened."""

    name: str = "recovery"

    def check(self, history: History) -> Verdict:
        trouble = "; ".join(str(mark.detail.get("seen")) for mark in history.all(TROUBLE))
        fault, injected = history.mark(FAULT), history.mark(INJECTED)
        if fault is None or injected is None:
            return Verdict(self.name, UNKNOWN, f"the fault was not injected: {trouble or 'no reason is recorded'}")
        healed, recovered = history.mark(HEALED), history.mark(RECOVERED)
        if recovered is None:
            value = INVALID if history.mark(GAVE_UP) else UNKNOWN
            return Verdict(self.name, value, trouble or "the run ended before the cluster was whole again")
        figures = {"fault to whole (s)": round(recovered.t - fault.t, 2)}
        if healed:
            figures["healed to whole (s)"] = round(recovered.t - healed.t, 2)
        return Verdict(self.name, VALID, f"whole again {recovered.t - fault.t:.1f} s after the fault", figures)
