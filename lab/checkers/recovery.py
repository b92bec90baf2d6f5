"""Whether the fault happened, and whether the cluster became whole again by itself, and when."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict
from quorate.lab.history import EVENT, FAULT, GAVE_UP, HEALED, INJECTED, RECOVERED, TROUBLE, History, Mark

DETECTED = frozenset({"failed", "fencing", "membership-lost", "quorum"})
"""Kinds of events by which a cluster shows that it has noticed something."""
RESTORED = frozenset({"started", "promoted"})
PROMOTABLE = frozenset({"promote", "promoted", "demote"})
"""Kinds of events that only a resource has which is of no use before it is promoted."""
_OPERATION = re.compile(r"\w+ of (\w[\w-]*)")
"""How an event names the resource of an operation that begins or fails. One that was done names only the resource.
Either may add the instance's number."""


@dataclass(frozen=True)
class Recovery:
    """Valid when every instance was active again in time; unknown when the fault was not seen to have happened.

    Times (s) are from the moment when the injection began: to the first event by which the cluster shows that it has
    noticed; to the first instance that was started after that (promoted, where the resource has that role), of the
    resource that failed and on a node that was hurt, as far as these are known; to all active again, which is also
    given from the end of the healing.
    """

    name: str = "recovery"

    def check(self, history: History) -> Verdict:
        gave_up = history.mark(GAVE_UP)
        # What the wait for the recovery ended with, rather than what came of it.
        trouble = "; ".join(str(mark.detail.get("seen")) for mark in ([gave_up] if gave_up else history.all(TROUBLE)))
        fault, injected = history.mark(FAULT), history.mark(INJECTED)
        if fault is None or injected is None:
            return Verdict(self.name, UNKNOWN, f"the fault was not injected: {trouble or 'no reason is recorded'}")
        healed, recovered = history.mark(HEALED), history.mark(RECOVERED)
        figures = {"injection (s)": round(injected.t - fault.t, 3)}
        words = []
        events = [mark for mark in history.all(EVENT) if mark.t >= fault.t]
        noticed = _first(events, DETECTED)
        if noticed is not None:
            figures["fault to detected (s)"] = round(noticed.t - fault.t, 3)
            words.append(f"noticed after {noticed.t - fault.t:.1f} s")
            after = [mark for mark in events if mark.t >= noticed.t]
            named = _OPERATION.match(str(noticed.detail.get("text", "")))
            resource = named[1] if named else ""
            promotable = resource and _first(events, PROMOTABLE, (), resource)
            kinds = frozenset({"promoted"}) if promotable else RESTORED
            back = _first(after, kinds, injected.detail.get("nodes") or (), resource)
            if back is not None:
                figures["fault to first instance (s)"] = round(back.t - fault.t, 3)
                words.append(f"first instance back after {back.t - fault.t:.1f} s")
        if recovered is None:
            value = INVALID if gave_up else UNKNOWN
            return Verdict(self.name, value, trouble or "the run ended before the cluster was whole again", figures)
        figures["fault to whole (s)"] = round(recovered.t - fault.t, 3)
        if healed:
            figures["healed to whole (s)"] = round(recovered.t - healed.t, 3)
        words.append(f"whole again {recovered.t - fault.t:.1f} s after the fault")
        return Verdict(self.name, VALID, ", ".join(words), figures)


def _first(
    events: Sequence[Mark], kinds: Collection[str], nodes: Collection[str] = (), resource: str = ""
) -> Mark | None:
    """The first of *events* of one of *kinds*, on one of *nodes* and of *resource* if these are given."""
    for event in events:
        detail = event.detail
        if detail.get("kind") not in kinds or (nodes and detail.get("node") not in nodes):
            continue
        text = str(detail.get("text", ""))
        named = _OPERATION.match(text)
        if not resource or (named[1] if named else text.partition(":")[0]) == resource:
            return event
    return None
