"""The picture of a run: a lane per workload, a track per node, one axis of seconds since the fault."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.lab.history import FAULT, HEALED, HEALING, INJECTED, RECOVERED, History
from quorate.lab.report import lanes
from quorate.lab.report.axis import Axis, axis
from quorate.lab.report.html import Html, join, num, tag
from quorate.lab.report.model import Entry
from quorate.lab.report.track import track, tracks
from quorate.lab.report.words import seconds

WIDTH, LEFT, RIGHT = 1200.0, 150.0, 1130.0
_TOP = 42.0
_SAID = {
    FAULT: "fault",
    INJECTED: "injected",
    HEALING: "healing",
    HEALED: "healed",
    RECOVERED: "whole again",
}


def timeline(entry: Entry, history: History) -> Html | None:
    """The picture; None when nothing happened that could be shown."""
    across = axis(history, LEFT, RIGHT)
    if across is None:
        return None
    y = _TOP
    body: list[Html] = []
    for load in entry.loads:
        ops = [op for op in history.of(load.workload) if not op.final]
        body.append(lanes.lane(load, ops, across, y))
        y += lanes.HEIGHT
    y += 8
    nodes = [str(node) for node in history.header.get("nodes", ())] or sorted({*entry.nodes})
    for node in tracks(entry.events, nodes):
        drawn, high = track(node, [event for event in entry.events if event.node == node], across, y)
        body.append(drawn)
        y += high
    floor = y + 2
    return tag(
        "svg",
        tag("title", f"{entry.name}: requests and events over time"),
        _windows(entry, across, floor),
        _grid(across, floor),
        _marks(entry, across, floor),
        *body,
        viewBox=f"0 0 {num(WIDTH)} {num(floor + 34)}",
        role="img",
        class_="timeline",
    )


def _windows(entry: Entry, across: Axis, floor: float) -> Html:
    """The fault's time, and the time from its end until all was whole, as shades behind everything."""
    fault, healed, whole = (entry.marks.get(name) for name in (FAULT, HEALED, RECOVERED))
    if fault is None:
        return Html("")
    healed = across.end if healed is None else healed
    whole = across.end if whole is None else whole
    shades = [("broken", fault, healed), ("mending", healed, whole)]
    return join(
        *(
            tag(
                "rect", x=across.x(a), y=_TOP - 8, width=across.x(b) - across.x(a), height=floor - _TOP + 8, class_=kind
            )
            for kind, a, b in shades
            if across.x(b) > across.x(a)
        )
    )


def _grid(across: Axis, floor: float) -> Html:
    lines = "".join(f"M{num(x)} {num(_TOP - 4)}V{num(floor)}" for x, _ in across.ticks())
    return join(
        tag("path", d=lines, class_="grid"),
        *(tag("text", label, x=x, y=floor + 13, class_="tick") for x, label in across.ticks()),
        tag(
            "text",
            "seconds since the fault",
            x=(across.left + across.right) / 2,
            y=floor + 28,
            class_="tick",
        ),
    )


def _marks(entry: Entry, across: Axis, floor: float) -> Html:
    """A line at each phase; the phases that lie too close together share a label."""
    groups: list[tuple[float, list[str]]] = []
    for name, said in _SAID.items():
        if name not in entry.marks:
            continue
        x = across.x(entry.marks[name])
        words = said if name == FAULT else f"{said} {seconds(entry.marks[name] - across.zero)}"
        if groups and x - groups[-1][0] < 12:
            groups[-1][1].append(words)
        else:
            groups.append((x, [words]))
    return join(_label(groups, across), *(_line(x, floor) for x, _ in groups))


def _line(x: float, floor: float) -> Html:
    return tag("path", d=f"M{num(x)} {num(_TOP - 8)}V{num(floor)}", class_="mark")


def _label(groups: Sequence[tuple[float, list[str]]], across: Axis) -> Html:
    ends = [-1000.0, -1000.0]
    drawn: list[Html] = []
    for x, words in groups:
        text = " · ".join(words)
        wide = 6.3 * len(text)
        left = min(x - 2, across.right + 60 - wide)
        row = 0 if left > ends[0] + 8 else 1
        ends[row] = left + wide
        y = _TOP - 13 - 14 * row
        drawn.append(tag("text", text, x=left, y=y, class_="phase"))
        if row:
            drawn.append(tag("path", d=f"M{num(x)} {num(y + 3)}V{num(_TOP - 8)}", class_="mark"))
    return join(*drawn)
