"""The cluster stack itself: kill -9 of Corosync, and of each of Pacemaker's daemons."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quorate.lab.fault import Injected, NotInjected
from quorate.lab.faults import mending
from quorate.lab.faults.process import Processes, moments
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

_COROSYNC = "corosync"
PACEMAKER = (
    "pacemakerd",
    "pacemaker-based",
    "pacemaker-fenced",
    "pacemaker-execd",
    "pacemaker-attrd",
    "pacemaker-schedulerd",
    "pacemaker-controld",
)
DAEMONS = (_COROSYNC, *PACEMAKER)
_COMMAND_LENGTH = 15
"""As many letters of a command's name the kernel keeps."""


@dataclass(frozen=True)
class KillDaemon:
    """SIGKILL to *daemon* on one node: on any, or on the DC if *dc*."""

    daemon: str
    dc: bool = False

    @property
    def name(self) -> str:
        return f"kill-{self.daemon}"

    @property
    def about(self) -> str:
        return f"kill -9 of {self.daemon} on {'the DC' if self.dc else 'one node'}, seen gone"

    def available(self, lab: Lab) -> str:
        return ""

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        (node,) = mending.choose(lab, chance, 1)
        if self.dc:
            node = lab.health().dc
        processes = Processes("", (self.daemon[:_COMMAND_LENGTH],))
        before = mending.boot(lab, node)
        if before[0] != "running":
            raise NotInjected(f"node {node}: it is {before[0]}, {self.daemon} cannot be killed there")
        with mending.healed_by(
            partial(mending.power_on_if_off, lab, node), partial(mending.persist, lab, node, partial(_stack, lab, node))
        ):
            try:
                # Once: whoever watches over it starts another one at once, which is not to be hurt.
                strike = processes.strike(lab, node, "KILL", again=0)
                pid, facts = strike.hit[0][0], moments({node: strike})
                words = f"{node}: {self.daemon} (pid {pid}) is gone"
            except NotInjected:
                raise
            except Failed:
                if mending.boot(lab, node) == before:
                    raise
                # Nobody is left there who could tell when it was.
                pid, facts, words = 0, {}, f"{node}: the machine went down with {self.daemon}"
            yield Injected((node,), words, {"pid": pid, **facts})


def _stack(lab: Lab, node: str) -> None:
    """A node that runs without Corosync, because nobody fenced it, is reset: what its operator would do."""
    if not Processes("", (_COROSYNC,)).find(lab, node):
        lab.power_off(node)
        lab.power_on(node)
