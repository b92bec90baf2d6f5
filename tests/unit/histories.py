"""Literal histories, told operation by operation: each begins after the last one has ended unless it says when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quorate.lab.checkers.finding import ENOUGH
from quorate.lab.history import EVENT, FAIL, FAULT, INFO, INJECTED, OK, RECOVERED, History, Mark, Op

NODES = ("n1", "n2", "n3")
LOAD = "load"


class Told:
    """A run of one workload. The wall clock is told too, and is nonsense: no checker may look at it."""

    def __init__(self, workload: str = LOAD, nodes: tuple[str, ...] = NODES) -> None:
        self.workload = workload
        self.header: dict[str, Any] = {"workloads": [workload], "nodes": list(nodes)}
        self.now = 0.0
        self.ops: list[Op] = []
        self.marks: list[Mark] = []

    def op(
        self,
        outcome: str,
        f: str,
        value: Any = None,
        result: Any = None,
        *,
        at: float | None = None,
        took: float = 0.01,
        node: str = "n1",
        final: bool = False,
        error: str = "",
    ) -> Told:
        began = self.now if at is None else at
        ended = began + took
        index, wall = len(self.ops) + 1, 1e9 - 7 * began
        self.ops.append(Op(index, self.workload, 1, f, value, began, ended, outcome, node, result, error, wall, final))
        if at is None:
            self.now = ended + 0.01
        return self

    def ok(self, f: str, value: Any = None, result: Any = None, **more: Any) -> Told:
        return self.op(OK, f, value, result, **more)

    def fail(self, f: str, value: Any = None, **more: Any) -> Told:
        return self.op(FAIL, f, value, **more)

    def info(self, f: str, value: Any = None, result: Any = None, **more: Any) -> Told:
        return self.op(INFO, f, value, result, **more)

    def wait(self, seconds: float) -> Told:
        self.now += seconds
        return self

    def mark(self, name: str, /, *, at: float | None = None, **detail: Any) -> Told:
        t = self.now if at is None else at
        self.marks.append(Mark(name, t, 1e9 - 7 * t, detail))
        self.now = max(self.now, t + 0.001)
        return self

    def event(self, kind: str, node: str = "n1", text: str = "", *, at: float | None = None) -> Told:
        return self.mark(EVENT, at=at, kind=kind, node=node, text=text)

    def warm(self, count: int = ENOUGH) -> Told:
        """Traffic that no checker has an opinion about."""
        for _ in range(count):
            self.ok("warm up")
        return self

    def fault(self) -> Told:
        return self.mark(FAULT).wait(0.1).mark(INJECTED, nodes=["n1"], words="n1 was hurt")

    def whole(self) -> Told:
        return self.mark(RECOVERED)

    @property
    def history(self) -> History:
        return History(self.header, tuple(self.ops), tuple(sorted(self.marks, key=lambda mark: mark.t)))

    def lines(self) -> Iterator[dict[str, Any]]:
        """The same as a run would have written it."""
        timed: list[tuple[float, dict[str, Any]]] = []
        for op in self.ops:
            shared = {"i": op.index}
            invoke = {"w": op.workload, "p": op.worker, "f": op.f, "v": op.value, "t": op.began, "wall": op.wall}
            timed.append((op.began, {"type": "invoke", **shared, **invoke, **({"final": True} if op.final else {})}))
            more = {"n": op.node, "e": op.error, **({} if op.result is None else {"r": op.result})}
            timed.append((op.ended, {"type": op.outcome, **shared, "t": op.ended, **more}))
        for mark in self.marks:
            line = {"type": "mark", "name": mark.name, "t": mark.t, "wall": mark.wall, "detail": dict(mark.detail)}
            timed.append((mark.t, line))
        yield {"type": "run", "wall": 1e9, **self.header}
        yield from (line for _, line in sorted(timed, key=lambda one: one[0]))

    def write(self, path: Path) -> Path:
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines()), encoding="utf-8")
        return path
