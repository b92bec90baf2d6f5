"""A scenario is a record: what is loaded, what breaks, for how long, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quorate.lab.checker import VALID
from quorate.lab.fault import Fault
from quorate.lab.workload import Pace

ALL_WORKLOADS = ("keystone", "nova-api", "dashboard", "queue-mirrored", "queue-quorum", "sql-set", "sql-bank")


@dataclass(frozen=True)
class Scenario:
    """One experiment. The same seed chooses the same nodes.

    *hold*: seconds for which the fault lasts; one that is over at once (a kill) has none.
    *recovery*: seconds from the end of the fault in which the cluster has to be whole again.
    *expect*: the verdict that this scenario should have; any other is reported as a failure.
    *paces*: where a workload should go at another pace than its own.
    """

    name: str
    about: str
    fault: Fault
    workloads: tuple[str, ...] = ALL_WORKLOADS
    hold: float = 0.0
    recovery: float = 180.0
    expect: str = VALID
    paces: Mapping[str, Pace] = field(default_factory=dict)
