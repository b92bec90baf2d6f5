"""Every workload there is: what clients do to the control plane while it is hurt."""

from __future__ import annotations

from collections.abc import Callable

from quorate.lab.workload import Workload
from quorate.lab.workloads.dashboard import Dashboard
from quorate.lab.workloads.keystone import Keystone
from quorate.lab.workloads.nova_api import NovaApi
from quorate.lab.workloads.probes import PROBES
from quorate.lab.workloads.queue import queue_mirrored, queue_quorum
from quorate.lab.workloads.sql_bank import SqlBank
from quorate.lab.workloads.sql_register import SqlRegister
from quorate.lab.workloads.sql_set import SqlSet
from quorate.lib.problem import Problem

WORKLOADS: tuple[Callable[[], Workload], ...] = (
    Keystone,
    NovaApi,
    Dashboard,
    queue_mirrored,
    queue_quorum,
    SqlSet,
    SqlBank,
    SqlRegister,
    *PROBES,
)


def make(name: str) -> Workload:
    """The workload called *name*, for one run. Raises :class:`Problem`."""
    known = {load.name: load for load in (kind() for kind in WORKLOADS)}
    if name not in known:
        raise Problem(f"there is no workload {name!r}: known are {', '.join(known)}")
    return known[name]
