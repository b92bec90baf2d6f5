"""What the cluster did, read from its logs: fencing, membership, elections, starts and stops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab


@dataclass(frozen=True)
class Event:
    """One thing that happened on *node* (or to it), at *wall* seconds of the wall clock."""

    wall: float
    kind: str
    node: str
    text: str


def cluster_events(lab: Lab, since: float) -> Iterator[Event]:
    """The events of every node since *since* (wall clock), in their order."""
    yield from ()
