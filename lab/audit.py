"""Audits of the cluster after a run: what no client can see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quorate.lab.checker import INVALID, VALID

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab


@dataclass(frozen=True)
class Finding:
    """What one audit found: *value* is a verdict, *seen* says why."""

    name: str
    value: str
    seen: str


def audit(lab: Lab) -> Iterator[Finding]:
    """Every audit, one after another."""
    missing = lab.missing()
    yield Finding("resources", INVALID if missing else VALID, "; ".join(missing) or "all active everywhere")
