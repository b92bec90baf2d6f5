"""What a run did and saw: every operation of every client, and the marks between them, as lines of JSON.

One line when an operation is invoked and one when it completes, so that a runner that dies leaves what was under way.
Times are seconds since the run began on the monotonic clock (``t``) and seconds of the wall clock (``wall``); only the
first kind is ever compared, the second finds the place in a log.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from quorate.lib.problem import Problem

_encode = json.JSONEncoder(separators=(",", ":"), skipkeys=True, default=repr).encode

OK, FAIL, INFO = "ok", "fail", "info"
OUTCOMES = (OK, FAIL, INFO)

# The marks of a run, in their order. A run that lacks one of them was cut short there.
FAULT = "fault"
"""The injection begins."""
INJECTED = "injected"
"""The fault was seen to have happened; the detail says what was seen."""
HEALING = "healing"
"""The fault is being taken back."""
HEALED = "healed"
RECOVERED = "recovered"
"""The cluster is whole again: every instance active where it should be."""
GAVE_UP = "gave-up"
"""The cluster was not whole in the time that the scenario gives it; ``seen`` says what was missing."""
FINAL = "final"
"""The load has ended; what follows are the reads that settle what is left."""
END = "end"
EVENT = "event"
"""Something the cluster did, taken from its logs."""
AUDIT = "audit"
"""What an audit of the cluster after the run found: ``name``, ``value`` (a verdict) and ``seen``."""
TROUBLE = "trouble"
"""Something that cut the run short, or makes its result worth less."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation: *f* of *workload* with the argument *value*.

    *outcome* is ``ok``, ``fail`` (certainly not done), or ``info`` (no answer: it may have been done, or may still
    be). *node* is the node that took it, *result* what it returned, *error* what went wrong.
    """

    index: int
    workload: str
    worker: int
    f: str
    value: Any
    began: float
    ended: float
    outcome: str
    node: str = ""
    result: Any = None
    error: str = ""
    wall: float = 0.0
    final: bool = False

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of the run."""

    name: str
    t: float
    wall: float
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """A run as it is read back: the *header* it began with, *ops* by index, *marks* by time."""

    header: Mapping[str, Any]
    ops: tuple[Op, ...]
    marks: tuple[Mark, ...]

    def of(self, workload: str) -> tuple[Op, ...]:
        """The operations of one workload."""
        return self._of.get(workload, ())

    @cached_property
    def _of(self) -> Mapping[str, tuple[Op, ...]]:
        found: dict[str, list[Op]] = {}
        for op in self.ops:
            found.setdefault(op.workload, []).append(op)
        return {workload: tuple(ops) for workload, ops in found.items()}

    @property
    def workloads(self) -> tuple[str, ...]:
        """The workloads that ran, in the header's order; those that it does not name come last."""
        named = list(self.header.get("workloads", ()))
        return tuple(dict.fromkeys([*named, *(op.workload for op in self.ops)]))

    def mark(self, name: str) -> Mark | None:
        """The first mark of that name."""
        return next((mark for mark in self.marks if mark.name == name), None)

    def all(self, name: str) -> tuple[Mark, ...]:
        """Every mark of that name."""
        return tuple(mark for mark in self.marks if mark.name == name)

    @property
    def end(self) -> float:
        """The time of the last thing recorded."""
        return max([0.0, *(op.ended for op in self.ops), *(mark.t for mark in self.marks)])


class HistoryLog:
    """Writes a history. Any thread may call it; what is written is whole lines, on disk within half a second.

    Clients that record wait neither for each other nor for the disk: what they say is put on a pile (one step of the
    interpreter, which needs no lock), and whoever comes half a second after the last time writes the pile out. A value
    or a result must therefore not change once it was handed over. What JSON cannot say is written as Python shows it.
    """

    FLUSH = 0.5

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8")
        self._lock = threading.Lock()
        self._pile: deque[Mapping[str, Any]] = deque()
        self._zero = time.monotonic()
        self._due = self._zero + self.FLUSH
        self._indices = itertools.count(1)
        self._write({"type": "run", "wall": round(time.time(), 6), **header})

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._zero

    def invoke(self, workload: str, worker: int, f: str, value: Any, *, final: bool = False) -> int:
        """An operation is about to begin; its index."""
        index = next(self._indices)
        line: dict[str, Any] = {
            "type": "invoke",
            "i": index,
            "w": workload,
            "p": worker,
            "f": f,
            "v": value,
            "t": round(self.now(), 6),
            "wall": round(time.time(), 6),
        }
        if final:
            line["final"] = True
        self._write(line)
        return index

    def complete(self, index: int, outcome: str, node: str = "", result: Any = None, error: str = "") -> None:
        """The operation *index* is over."""
        line: dict[str, Any] = {"type": outcome, "i": index, "t": round(self.now(), 6)}
        if node:
            line["n"] = node
        if result is not None:
            line["r"] = result
        if error:
            line["e"] = error
        self._write(line)

    def mark(self, name: str, /, *, at: float | None = None, **detail: Any) -> float:
        """Set a mark now, or *at* a time of the run; the time."""
        t = self.now() if at is None else at
        wall = time.time() - self.now() + t
        self._write({"type": "mark", "name": name, "t": round(t, 6), "wall": round(wall, 6), "detail": detail})
        self.flush()
        return t

    def at_wall(self, wall: float) -> float:
        """The time of the run at which the wall clock said *wall*; both clocks run on this machine."""
        return self.now() - (time.time() - wall)

    def flush(self) -> None:
        with self._lock:
            self._due = time.monotonic() + self.FLUSH
            lines = [_encode(self._pile.popleft()) + "\n" for _ in range(len(self._pile))]
            if not self._file.closed:
                self._file.write("".join(lines))
                self._file.flush()

    def close(self) -> None:
        """No more is written; a client that comes back later is not heard."""
        self.flush()
        with self._lock:
            self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._pile.append(line)
        if time.monotonic() > self._due:
            self.flush()

    def __enter__(self) -> HistoryLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_history(path: Path) -> History:
    """The history in the file *path*. Raises :class:`Problem` with the line that cannot be understood.

    A last line that was cut off is left out: the runner died while it wrote.
    """
    header: Mapping[str, Any] = {}
    open_ops: dict[int, dict[str, Any]] = {}
    ops: list[Op] = []
    marks: list[Mark] = []
    last = 0.0
    for number, line in _lines(path):
        try:
            kind = line["type"]
            if kind == "run":
                header = line
            elif kind == "mark":
                marks.append(Mark(line["name"], line["t"], line["wall"], line["detail"]))
                last = max(last, line["t"])
            elif kind == "invoke":
                open_ops[line["i"]] = line
                last = max(last, line["t"])
            elif kind in OUTCOMES:
                ops.append(_op(open_ops.pop(line["i"]), line))
                last = max(last, line["t"])
            else:
                raise ValueError(kind)
        except (KeyError, TypeError, ValueError) as error:
            raise Problem(f"{path}:{number}: not a line of a history ({type(error).__name__}: {error})") from None
    never = {"type": INFO, "t": last, "e": "did not complete before the run ended"}
    ops += [_op(line, never) for line in open_ops.values()]
    return History(header, tuple(sorted(ops, key=_index)), tuple(sorted(marks, key=_time)))


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            number = 0
            for number, text in enumerate(file, 1):
                if not text.endswith("\n"):
                    return
                try:
                    line = json.loads(text)
                except ValueError:
                    raise Problem(f"{path}:{number}: not JSON") from None
                yield number, line
    except OSError as error:
        raise Problem(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise Problem(f"{path}: not a history: not UTF-8 text") from None


def _op(invoked: Mapping[str, Any], completed: Mapping[str, Any]) -> Op:
    return Op(
        index=invoked["i"],
        workload=invoked["w"],
        worker=invoked["p"],
        f=invoked["f"],
        value=invoked["v"],
        began=invoked["t"],
        ended=completed["t"],
        outcome=completed["type"],
        node=completed.get("n", ""),
        result=completed.get("r"),
        error=completed.get("e", ""),
        wall=invoked["wall"],
        final=invoked.get("final", False),
    )


def _index(op: Op) -> int:
    return op.index


def _time(mark: Mark) -> float:
    return mark.t
