"""What recording costs: a workload as fast as it goes, with its history on disk and with none, in turn."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quorate.lab import record
from quorate.lab.cluster import Lab
from quorate.lab.history import HistoryLog
from quorate.lab.recorder import Recorder
from quorate.lab.workload import Place, Workload
from quorate.lab.workloads.sql_set import SqlSet
from quorate.lib.problem import Failed

PROMISED = 0.05
"""The most of a workload's throughput that recording may take."""
_SLICE = 0.1
"""Seconds that the history is on, or off, before they change places: short, for whatever else the machine does to
weigh on both alike."""
_WARM_UP = 2.0
_FEWEST = 100
"""Pairs of slices that are measured in any case."""
_PRECISE = 0.012
"""The standard error that is small enough to end with."""


class SwitchedLog(HistoryLog):
    """A history that can be switched off, and then keeps nothing of what it is told, but counts it."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.on = True
        self.done = 0
        super().__init__(path, header)

    def invoke(self, workload: str, worker: int, f: str, value: Any, *, final: bool = False) -> int:
        return super().invoke(workload, worker, f, value, final=final) if self.on else -1

    def complete(self, index: int, outcome: str, node: str = "", result: Any = None, error: str = "") -> None:
        self.done += 1
        # As it began, whatever was switched meanwhile: the history stays one that can be read.
        if index > 0:
            super().complete(index, outcome, node, result, error)


@dataclass(frozen=True)
class Overhead:
    """Operations per second with the history and without, slice by slice, each beside its neighbour.

    *recorded_cpu* and *bare_cpu* are the seconds of processor that one operation costs on the clients' side.
    """

    workload: str
    recorded: tuple[float, ...]
    bare: tuple[float, ...]
    recorded_cpu: float
    bare_cpu: float

    @property
    def share(self) -> float:
        """What recording takes of the throughput, all slices together: 0.03 is 3 %. Noise can make it negative."""
        return 1 - sum(self.recorded) / sum(self.bare)

    @property
    def error(self) -> float:
        """The standard error of *share*: how far the noise of the machine alone may have moved it."""
        return _error(self.recorded, self.bare)

    @property
    def kept(self) -> bool:
        return self.share <= PROMISED


def measure(lab: Lab, load: Workload | None = None, *, patience: float = 120.0, folder: Path | None = None) -> Overhead:
    """Run *load* (default: ``sql-set``) without a rate against *lab*, until noise is small, *patience* seconds at most.

    The history goes to *folder*, which should be on the disk that runs use. Raises :class:`Failed` when the clients
    have no success, or somebody else's run is under way on this lab.
    """
    with record.locked(lab.name, "chaos.lock", "being hurt"):
        return _measure(lab, load or SqlSet(), patience, folder)


def _measure(lab: Lab, load: Workload, patience: float, folder: Path | None) -> Overhead:
    load.prepare(lab)
    places = [Place(node, lab.address(node)) for node in lab.nodes]
    speeds: dict[bool, list[float]] = {True: [], False: []}
    cpu, ops = Counter[bool](), Counter[bool]()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        log = SwitchedLog(Path(name) / "history.jsonl", {})
        recorder = Recorder(log, load, places, replace(load.pace, rate=0))
        recorder.start()
        try:
            time.sleep(_WARM_UP)
            until = time.monotonic() + patience
            for number, on in enumerate(_turns() if recorder.good else ()):
                if number % 2 == 0 and (time.monotonic() > until or _settled(speeds[True], speeds[False])):
                    break
                log.on = on
                began, done, used = time.monotonic(), log.done, time.process_time_ns()
                time.sleep(_SLICE)
                made = log.done - done
                speeds[on].append(made / (time.monotonic() - began))
                cpu[on] += time.process_time_ns() - used
                ops[on] += made
        finally:
            recorder.stop()
            log.close()
    if not (ops[True] and ops[False]):
        raise Failed(f"the load {load.name} has no success: {recorder.last_error or 'no operation ended'}")
    return Overhead(
        load.name,
        tuple(speeds[True]),
        tuple(speeds[False]),
        cpu[True] / ops[True] / 1e9,
        cpu[False] / ops[False] / 1e9,
    )


def _turns() -> Iterator[bool]:
    """On and off in pairs, neither of them always first."""
    return itertools.cycle((True, False, False, True))


def _settled(recorded: Sequence[float], bare: Sequence[float]) -> bool:
    return len(bare) >= _FEWEST and _error(recorded, bare) < _PRECISE


def _error(recorded: Sequence[float], bare: Sequence[float]) -> float:
    differences = [off - on for on, off in zip(recorded, bare, strict=True)]
    return float(statistics.stdev(differences) / len(differences) ** 0.5 / max(statistics.mean(bare), 1e-9))
