"""Whether a lab is whole: for the cluster, for a client at each node's door, and for the audits; and making it so."""

from __future__ import annotations

import time
from collections.abc import Callable

import docker.errors

from quorate.lab import audit
from quorate.lab.checker import INVALID
from quorate.lab.cluster import Lab
from quorate.lab.progress import Progress
from quorate.lab.services import SERVICES
from quorate.lib.problem import Failed

PATIENCE = 180.0
"""Seconds that a lab gets to be whole by itself."""
FRESH = 60.0
"""Seconds in which what is passing in a lab that was just made may pass."""
LOOK = 0.5
"""Seconds between two looks at the cluster."""


def wanting(lab: Lab) -> tuple[str, ...]:
    """What keeps the lab from serving just now: in the cluster's eyes, or in those of a client at each node's door.

    A service that is killed or frozen is wanting before Pacemaker has noticed.
    """
    missing = lab.missing()
    if missing:
        return missing
    try:
        clones = lab.clones()
    except Failed as failure:
        return (str(failure),)
    return tuple(
        f"{service.name} on {node} {silence}"
        for service in SERVICES
        if service.clone in clones
        for node in lab.nodes
        if (silence := service.silent(lab.address(node)))
    )


def wait_whole(lab: Lab, patience: float = PATIENCE) -> None:
    """Until nothing is wanting. Raises :class:`Failed` after *patience* seconds, saying what is."""
    until = time.monotonic() + patience
    while missing := wanting(lab):
        if time.monotonic() > until:
            raise Failed(f"the lab {lab.name!r} is not whole after {patience:.0f} s: {'; '.join(missing)}")
        time.sleep(LOOK)


def unsettled(lab: Lab) -> str:
    """Why *lab* does not serve although past failures were forgotten and it had its time; empty when it does."""
    try:
        lab.cleanup()
        wait_whole(lab, PATIENCE)
    except (Failed, OSError, docker.errors.DockerException) as failure:
        return (str(failure) or type(failure).__name__).splitlines()[0]
    return ""


def findings(lab: Lab, cib_before: str = "", patience: float = audit.PATIENCE) -> dict[str, str]:
    """What audits find in *lab* and time does not mend, such as tables that differ: their names, and what they saw.

    With *cib_before* also a configuration that is not that CIB's. What an audit cannot look at is no finding: a lab
    made anew would not show it either.
    """
    found = audit.audit(lab, cib_before, patience)
    return {one.name: one.seen for one in found if one.value == INVALID}


class Keeper:
    """Sees to it that a scenario gets a lab that is whole: the one that is there, or one made anew by *mend*."""

    def __init__(self, lab: Lab, mend: Callable[[], None] | None = None, progress: Progress | None = None) -> None:
        self._lab = lab
        self._mend = mend
        self._progress = progress or Progress()
        self._usual: frozenset[str] = frozenset()

    def restore(self, cib_before: str = "", *, audited: bool = False) -> str:
        """Make the lab serve and have the audits find nothing; why it had to be made anew, empty when it had not.

        The audits are not asked when they have found nothing since the last fault (*audited*). Raises :class:`Failed`
        when the lab is not whole and nothing can make it anew.
        """
        with self._progress.step("seeing that the lab is whole"):
            why = unsettled(self._lab) or ("" if audited else self._found(cib_before))
        if why:
            self._anew(why)
        return why

    def settle(self) -> None:
        """Make the lab serve, whatever the audits find: that stays there to be looked at. Raises as :meth:`restore`."""
        if why := unsettled(self._lab):
            self._anew(why)

    def _found(self, cib_before: str) -> str:
        found = findings(self._lab, cib_before)
        return "; ".join(f"{name}: {seen}" for name, seen in found.items() if name not in self._usual)

    def _anew(self, why: str) -> None:
        if self._mend is None:
            raise Failed(f"the lab {self._lab.name!r} is not whole: {why}")
        with self._progress.step(f"making the lab anew: {why}"):
            self._mend()
            # What is found in a lab that was just made is how labs are here: making it again would not help.
            self._usual = frozenset(findings(self._lab, patience=FRESH))
