"""What Pacemaker did about a resource, read from its own log on the node: to the millisecond, without disturbing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quorate.lab import events, logs
from quorate.lab.events import FAILED, FENCED, PACEMAKER, Event

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

RECOVERING = ("stop", "demote", "start", "promote")
"""What a recovery begins with. A notification announces an action and is none."""
_UP = ("started", "promoted")
_TOLD = "asyncmon of "
"""How Pacemaker logs that it was told of a failure (``crm_resource --fail``): as the result of this operation."""
_PRECISION = 0.001
"""Seconds: the log keeps milliseconds and cuts the rest off."""


@dataclass(frozen=True)
class Acts:
    """Seconds of the wall clock, None for what has not happened: *told* of the failure from outside, the first action
    *begun*, and *up* again, which is when the last start or promotion ended.
    """

    told: float | None = None
    begun: float | None = None
    up: float | None = None


def acts(seen: Sequence[Event], resource: str, node: str, since: float) -> Acts:
    """What the events *seen* say about *resource* on *node* from *since* on."""
    told = begun = up = None
    for event in seen:
        if event.node != node or event.wall < since - _PRECISION:
            continue
        if told is None and event.kind == FAILED and _told_of(event) == resource:
            told = event.wall
        elif event.kind in RECOVERING and _resource(event.text.removeprefix(f"{event.kind} of ")) == resource:
            begun = event.wall if begun is None else begun
            # Whatever was up before is not what comes of this action.
            up = None
        elif event.kind in _UP and _resource(event.text) == resource and begun is not None:
            up = event.wall
    return Acts(told, begun, up)


def told(seen: Sequence[Event]) -> list[Event]:
    """Every failure that Pacemaker was told of from outside."""
    return [event for event in seen if _told_of(event)]


def troubles(seen: Sequence[Event], but: Sequence[str] = ()) -> list[Event]:
    """Every other failure: of operations, except those of the resources *but*, and nodes that were fenced."""
    return [
        event
        for event in seen
        if event.kind == FENCED or (event.kind == FAILED and not _told_of(event) and _subject(event) not in but)
    ]


def _told_of(event: Event) -> str:
    """The resource whose failure *event* tells to Pacemaker; empty for any other event."""
    return _subject(event) if event.kind == FAILED and event.text.startswith(_TOLD) else ""


def _subject(event: Event) -> str:
    """The resource in ``OPERATION of RESOURCE: what was said``."""
    return _resource(event.text.partition(" of ")[2].partition(": ")[0])


def _resource(name: str) -> str:
    """The resource's id without the number of a clone's instance."""
    return name.partition(":")[0]


def note(lab: Lab, node: str) -> Mapping[str, int]:
    """Where the log of *node* ends now."""
    return logs.sizes(lab, node, (PACEMAKER,))


def since(lab: Lab, node: str, noted: Mapping[str, int], wall: float) -> list[Event]:
    """What the log of *node* tells beyond what was *noted*, from *wall* on. Raises :class:`Failed`."""
    return events.read_events([logs.read(lab, node, (PACEMAKER,), noted)], lab.nodes, wall)
