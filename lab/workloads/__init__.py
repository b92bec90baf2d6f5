"""Every workload there is: what clients do to the control plane while it is hurt."""

from __future__ import annotations

from collections.abc import Callable

from quorate.lab.workload import Workload
from quorate.lab.workloads.sql_set import SqlSet
from quorate.lib.problem import Problem

WORKLOADS: tuple[Callable[[], Workload], ...] = (SqlSet,)


def make(name: str) -> Workload:
    """The workload called *name*, for one run. Raises :class:`Problem`."""
    known = {load.name: load for load in (kind() for kind in WORKLOADS)}
    if name not in known:
        raise Problem(f"there is no workload {name!r}: known are {', '.join(known)}")
    return known[name]
