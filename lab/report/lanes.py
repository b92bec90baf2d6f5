"""One workload's lane in the picture of a run: requests per bucket, latency, and the longest silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log10
from statistics import median

from quorate.lab.history import FAIL, OK, Op
from quorate.lab.report.axis import Axis
from quorate.lab.report.html import Html, join, num, tag
from quorate.lab.report.model import Load
from quorate.lab.report.words import latency, seconds, since

UP, DOWN = 34.0, 18.0
HEIGHT = UP + DOWN + 14.0
_BAR = 4.0
"""Pixels of a bucket at least."""
_LEAST = 3.0
"""Pixels of a bar that stands for a single failure: it must be seen."""
_GAP_SHOWN = 0.75
"""Seconds without a success that are worth a mark in the picture."""
_FASTEST, _SLOWEST = 0.001, 30.0
"""The latency scale (s), logarithmic: from the lane's base line to its top."""


@dataclass
class Bucket:
    """What ended in one stretch of time."""

    start: float
    end: float
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    slowest: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def bad(self) -> int:
        return self.failed + self.unknown


def buckets(ops: Sequence[Op], axis: Axis) -> list[Bucket]:
    """The stretches from the axis' start to its end, aligned to the fault, empty ones too."""
    step = axis.step(_BAR)
    first = int((axis.start - axis.zero) // step)
    last = int((axis.end - axis.zero) // step)
    found = [Bucket(axis.zero + n * step, axis.zero + (n + 1) * step) for n in range(first, last + 1)]
    for op in ops:
        if not axis.start <= op.ended <= axis.end:
            continue
        bucket = found[int((op.ended - axis.zero) // step) - first]
        bucket.slowest = max(bucket.slowest, op.seconds)
        if op.outcome == OK:
            bucket.ok += 1
            continue
        if op.outcome == FAIL:
            bucket.failed += 1
        else:
            bucket.unknown += 1
        bucket.errors[op.error] += 1
    return found


def lane(load: Load, ops: Sequence[Op], axis: Axis, top: float) -> Html:
    """The picture of *load* between the axis' edges, *top* px from above."""
    base = top + UP + 4
    found = buckets(ops, axis)
    busy = [bucket.ok + bucket.bad for bucket in found if bucket.ok + bucket.bad]
    scale = UP / max(1.0, min(max(busy, default=1), 1.6 * median(busy or [1])))
    label = tag("text", load.workload, x=axis.left - 10, y=base - 12, class_="name")
    if load.bad + load.early:
        said = tag(
            "text", f"{load.bad + load.early:,} of {load.requests:,} not ok", x=axis.left - 10, y=base + 3, class_="hit"
        )
    else:
        said = tag("text", f"{load.requests:,} requests, all ok", x=axis.left - 10, y=base + 3, class_="small")
    return join(
        label,
        said,
        tag("path", d=f"M{num(axis.left)} {num(base)}H{num(axis.right)}", class_="base"),
        _bars(found, axis, base, scale),
        _latency(found, axis, base),
        _silence(load, axis, base),
        _tips(found, axis, base),
    )


def _bars(found: Sequence[Bucket], axis: Axis, base: float, scale: float) -> Html:
    ok, failed, unknown = [], [], []
    for bucket in found:
        left, right = axis.x(bucket.start), axis.x(bucket.end)
        wide = max(right - left - 0.6, 0.8)
        if bucket.ok:
            high = min(bucket.ok * scale, UP)
            ok.append(_bar(left, base - high, wide, high))
        if bucket.bad:
            high = min(max(bucket.bad * scale, _LEAST * ((bucket.failed > 0) + (bucket.unknown > 0))), DOWN)
            share = high * bucket.failed / bucket.bad
            if bucket.failed:
                failed.append(_bar(left, base + 1, wide, share))
            if bucket.unknown:
                unknown.append(_bar(left, base + 1 + share, wide, high - share))
    return join(
        *(
            tag("path", d="".join(parts), class_=kind)
            for kind, parts in (("ok", ok), ("failed", failed), ("unknown", unknown))
            if parts
        )
    )


def _bar(x: float, y: float, wide: float, high: float) -> str:
    return f"M{num(x)} {num(y)}h{num(wide)}v{num(high)}h-{num(wide)}z"


def _latency(found: Sequence[Bucket], axis: Axis, base: float) -> Html:
    """The slowest request of each bucket as a line; it is broken where nothing ended."""
    parts: list[str] = []
    pen_down = False
    for bucket in found:
        if bucket.ok + bucket.bad == 0:
            pen_down = False
            continue
        slow = min(max(bucket.slowest, _FASTEST), _SLOWEST)
        high = UP * log10(slow / _FASTEST) / log10(_SLOWEST / _FASTEST)
        middle = (axis.x(bucket.start) + axis.x(bucket.end)) / 2
        parts.append(f"{'L' if pen_down else 'M'}{num(middle)} {num(base - high)}{'' if pen_down else 'h.1'}")
        pen_down = True
    slowest = max((bucket.slowest for bucket in found), default=0.0)
    return join(
        tag("path", d="".join(parts), class_="latency") if parts else None,
        tag("text", "slowest", x=axis.right + 6, y=base - 12, class_="side") if parts else None,
        tag("text", latency(slowest), x=axis.right + 6, y=base + 2, class_="side") if parts else None,
    )


def _silence(load: Load, axis: Axis, base: float) -> Html | None:
    """A bracket over the longest time without a success, if it is long enough to speak of."""
    left, right = axis.x(load.gap_at), axis.x(load.gap_at + load.gap)
    if load.gap < _GAP_SHOWN or right - left < 3:
        return None
    y = base - UP - 1
    text = f"{seconds(load.gap)} without success" if load.gap < 100 else f"no success for {seconds(load.gap)}"
    wide = 6.2 * len(text)
    if right - left > wide + 8:
        said = tag("text", text, x=(left + right) / 2, y=y + 11, class_="gap", text_anchor="middle")
    elif right + wide + 6 < axis.right:
        said = tag("text", text, x=right + 5, y=y + 7, class_="gap")
    else:
        said = tag("text", text, x=left - 5, y=y + 7, class_="gap", text_anchor="end")
    return join(tag("path", d=f"M{num(left)} {num(y + 4)}v-4H{num(right)}v4", class_="bracket"), said)


def _tips(found: Sequence[Bucket], axis: Axis, base: float) -> Html:
    """An unseen area over each run of buckets with failures: pointing at it says what failed there."""
    return join(
        tag(
            "rect",
            tag("title", _tip(run, axis.zero)),
            x=axis.x(run[0].start) - 1,
            y=base - UP,
            width=axis.x(run[-1].end) - axis.x(run[0].start) + 2,
            height=UP + DOWN + 2,
            class_="tip",
        )
        for run in _runs(found)
    )


def _runs(found: Sequence[Bucket]) -> Iterator[list[Bucket]]:
    """Buckets with failures that lie side by side; up to two quiet ones between them do not part them."""
    run: list[Bucket] = []
    quiet = 0
    for bucket in found:
        if bucket.bad:
            run.append(bucket)
            quiet = 0
        elif run:
            quiet += 1
            if quiet > 2:
                yield run
                run, quiet = [], 0
    if run:
        yield run


def _tip(run: Sequence[Bucket], zero: float) -> str:
    errors: Counter[str] = Counter()
    for bucket in run:
        errors.update(bucket.errors)
    failed, unknown = sum(b.failed for b in run), sum(b.unknown for b in run)
    lines = [f"{since(run[0].start - zero)} to {since(run[-1].end - zero)}: {failed} failed, {unknown} unknown"]
    lines += [f"{number} \u00d7 {error[:160] or 'no reason given'}" for error, number in errors.most_common(3)]
    return "\n".join(lines)
