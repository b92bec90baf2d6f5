"""One node's track in the picture of a run: what the cluster did there, as symbols with labels where there is room."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from quorate.lab.report.axis import Axis
from quorate.lab.report.html import Html, join, num, tag
from quorate.lab.report.model import Moment
from quorate.lab.report.words import since

_CHARACTER = 5.6
"""Pixels that a character of a label takes."""
_LABEL = 40
_ROW = 12.0
_ROWS = 3
_CLOSE = 5.0
"""Pixels within which events of one kind are one symbol."""

# What each kind looks like: class (the colour), path around (0, 0), and how much it matters for a label.
_SYMBOLS: dict[str, tuple[str, str, int]] = {
    "fencing": ("bad", "M-5-5L5 5M5-5L-5 5", 0),
    "fenced": ("bad", "M-5-5h10v10h-10z", 0),
    "membership-lost": ("bad", "M-5-4h10L0 5z", 0),
    "failed": ("warn", "M-4-4L4 4M4-4L-4 4", 1),
    "degraded": ("warn", "M0-5L5 0L0 5L-5 0z", 1),
    "quorum": ("note", "M-4-4h8v8h-8z", 1),
    "dc": ("note", "M0-6L6 0L0 6L-6 0z", 1),
    "membership-joined": ("good", "M-5 4h10L0-5z", 1),
    "daemon": ("warn", "M0-5L5 4H-5z", 1),
    "maintenance": ("note", "M-4-4h8v8h-8z", 2),
    "promoted": ("good", "M0-5v10M-3-2L0-5L3-2", 3),
    "promote": ("plain", "M0-5v10M-3-2L0-5L3-2", 4),
    "demote": ("plain", "M0-5v10M-3 2L0 5L3 2", 4),
    "started": ("good", "M-3-4.5L4 0L-3 4.5z", 2),
    "start": ("plain", "M-3-4.5L4 0L-3 4.5z", 4),
    "stopped": ("stopped", "M-3.5-3.5h7v7h-7z", 3),
    "stop": ("plain", "M-3.5-3.5h7v7h-7z", 4),
}
_UNSAID = frozenset({"failed", "degraded", "started", "stopped", "promoted"})
_REASON = re.compile("[:,] ")
_OTHER = ("plain", "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0", 4)
_UNSEEN = 4
"""What matters as little as this has no label, only a text that shows when it is pointed at."""


def tracks(events: Sequence[Moment], nodes: Sequence[str]) -> list[str]:
    """The tracks that a picture has: its *nodes*, any other that has an event, and ``cluster`` for those of none."""
    others = sorted({event.node for event in events if event.node and event.node not in nodes})
    return [*nodes, *others, *([""] if any(not event.node for event in events) else [])]


def track(node: str, events: Sequence[Moment], axis: Axis, top: float) -> tuple[Html, float]:
    """The track of *node*, *top* px from above, and its height."""
    y = top + 12
    inside = [event for event in events if axis.start <= event.t <= axis.end]
    parts = [
        tag("text", node or "cluster", x=axis.left - 10, y=y + 4, class_="name"),
        tag("path", d=f"M{num(axis.left)} {num(y)}H{num(axis.right)}", class_="rail"),
    ]
    parts += [
        tag(
            "rect",
            tag("title", "not a member"),
            x=axis.x(a),
            y=y - 5,
            width=axis.x(b) - axis.x(a),
            height=10,
            class_="away",
        )
        for a, b in away(events, axis.end)
    ]
    free: list[list[tuple[float, float]]] = [[] for _ in range(_ROWS)]
    labels: list[tuple[int, float, str, str]] = []
    for kind, group in _clusters(inside, axis):
        style, path, weight = _SYMBOLS.get(kind, _OTHER)
        x = axis.x(group[0].t)
        title = "\n".join(f"{since(event.t - axis.zero)} {kind}: {event.text}" for event in group[:12])
        parts.append(
            tag("path", tag("title", title), d=path, transform=f"translate({num(x)} {num(y)})", class_=f"sym {style}")
        )
        more = f" (+{len(group) - 1})" if len(group) > 1 else ""
        labels.append((weight, x, _short(kind, group[0].text) + more, style))
    used = 0
    for weight, x, text, style in sorted(labels):
        row = _room(free, x, len(text) * _CHARACTER, axis) if weight < _UNSEEN else None
        if row is not None:
            number, left = row
            used = max(used, number + 1)
            parts.append(tag("text", text, x=left, y=y + 17 + number * _ROW, class_=f"label {style}"))
    return join(*parts), 24 + used * _ROW + (4 if used else 0)


def away(events: Sequence[Moment], end: float) -> Iterator[tuple[float, float]]:
    """From each loss of the node's membership until it joined again."""
    lost: float | None = None
    for event in events:
        if event.kind == "membership-lost" and lost is None:
            lost = event.t
        elif event.kind == "membership-joined" and lost is not None:
            yield lost, event.t
            lost = None
    if lost is not None:
        yield lost, max(end, lost)


def _clusters(events: Sequence[Moment], axis: Axis) -> Iterator[tuple[str, list[Moment]]]:
    """Events of one kind that would be drawn over each other, together."""
    for kind, found in groupby(sorted(events, key=lambda event: (event.kind, event.t)), key=lambda event: event.kind):
        group: list[Moment] = []
        for event in found:
            if group and axis.x(event.t) - axis.x(group[0].t) > _CLOSE:
                yield kind, group
                group = []
            group.append(event)
        yield kind, group


def _room(free: list[list[tuple[float, float]]], x: float, wide: float, axis: Axis) -> tuple[int, float] | None:
    """The first row in which a label at *x* overlaps no other, and where it begins there."""
    left = min(max(x - 4, axis.left), axis.right + 50 - wide)
    for number, taken in enumerate(free):
        if all(left > b + 6 or left + wide + 6 < a for a, b in taken):
            taken.append((left, left + wide))
            return number, left
    return None


def _short(kind: str, text: str) -> str:
    """What a label has room for: the text up to its reason, after the kind where the text does not say it."""
    head = _REASON.split(text, maxsplit=1)[0]
    said = f"{kind}: {head}" if kind in _UNSAID and head else head or kind
    return said if len(said) <= _LABEL else said[: _LABEL - 1] + "\u2026"
