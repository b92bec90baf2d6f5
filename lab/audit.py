"""Audits of the cluster after a run: what no client can see.

Everything is asked of all nodes at once. What is not as it should be at first sight is looked at again for a while:
a queue that is just being synchronised, or a transition that is under way, is no finding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quorate.lab.audits import cluster, galera, machine, rabbitmq
from quorate.lab.audits.evidence import Audit, Evidence, Opinion, gather
from quorate.lab.checker import UNKNOWN, VALID
from quorate.lab.services import SERVICES
from quorate.lib.problem import Problem

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

AUDITS: tuple[Audit, ...] = (*cluster.AUDITS, *rabbitmq.AUDITS, *galera.AUDITS, *machine.AUDITS)
PATIENCE = 10.0
"""Seconds in which a state that is only passing may pass."""
_PAUSE = 1.0


@dataclass(frozen=True)
class Finding:
    """What one audit found: *value* is a verdict, *seen* says why in a sentence."""

    name: str
    value: str
    seen: str


def audit(lab: Lab, cib_before: str = "", patience: float = PATIENCE) -> Iterator[Finding]:
    """Every audit of what *lab* has, in a fixed order; with *cib_before* also that the configuration is as it was.

    What cannot be looked at (a node without power, an engine that is gone) is unknown. Nothing is raised.
    """
    audits = (*AUDITS, *([cluster.unchanged(cib_before)] if cib_before else []))
    why = ""
    try:
        clones = lab.clones()
        services = frozenset(each.name for each in SERVICES if each.clone in clones)
    except Exception as error:  # also the engine's many: whatever it is, nobody tells
        services, why = frozenset(each.name for each in SERVICES), f"no node tells what the cluster has: {error}"
    asked = [one for one in audits if one.service in services or not one.service]
    if why:
        # What is left can be looked at without the cluster; nothing of it will pass by waiting.
        asked, patience = [one for one in audits if not one.service], 0.0
    found = {finding.name: finding for finding in _findings(lab, asked, services, patience)}
    for one in audits:
        if one.name in found:
            yield found[one.name]
        elif why:
            yield Finding(one.name, UNKNOWN, why[:400])


def _findings(lab: Lab, audits: Sequence[Audit], services: frozenset[str], patience: float) -> list[Finding]:
    """Ask and judge, and ask again about what is not valid until *patience* (s) is over."""
    until = time.monotonic() + patience
    found: dict[str, Finding] = {}
    left, earlier = list(audits), None
    while True:
        try:
            evidence = gather(lab, [question for one in left for question in one.questions], services, earlier)
        except Problem as failure:
            found |= {one.name: Finding(one.name, UNKNOWN, str(failure)) for one in left}
            earlier = None
        else:
            found |= {one.name: _judge(one, evidence) for one in left}
            earlier = evidence
        left = [one for one in left if found[one.name].value != VALID]
        if not left or time.monotonic() + _PAUSE > until:
            break
        time.sleep(_PAUSE)
    return [found[one.name] for one in audits]


def _judge(one: Audit, evidence: Evidence) -> Finding:
    """An audit that crashes has seen nothing."""
    try:
        opinion = one.judge(evidence)
    except Exception as error:
        opinion = Opinion("", unseen=(f"the audit crashed: {type(error).__name__}: {error}",))
    return Finding(one.name, opinion.value, opinion.seen)
