"""What recording costs: a workload as fast as it goes, with its history on disk and with none, in turn."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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


class SwitchedLog(HistoryLog):
    """A history that can be switched off, and then keeps nothing of what it is told, but counts it."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.on = True
        self.done = 0
        super().__init__(path, header)

    def invoke(self, workload: str, worker: int, f: str, value: Any, *, final: bool = False) -> int:
        return super().invoke(workload, worker, f, value, final=final) if self.on else -self._count()

    def complete(self, index: int, outcome: str, node: str = "", result: Any = None, error: str = "") -> None:
        self.done += 1
        # As it began, whatever was switched meanwhile: the history stays one that can be read.
        if index > 0:
            super().complete(index, outcome, node, result, error)

    def _count(self) -> int:
        with self._lock:
            self._index += 1
            return self._index


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
        differences = [off - on for on, off in zip(self.recorded, self.bare, strict=True)]
        return statistics.stdev(differences) / len(differences) ** 0.5 / statistics.mean(self.bare)

    @property
    def cpu_share(self) -> float:
        """What recording takes of the clients' processor time: the share of the throughput that it would take if
        there were nothing else to wait for."""
        return 1 - self.bare_cpu / self.recorded_cpu

    @property
    def kept(self) -> bool:
        """Whether the promise is kept, the noise granted."""
        return self.share - 2 * self.error <= PROMISED and self.cpu_share <= PROMISED


def measure(lab: Lab, load: Workload | None = None, *, pairs: int = 150, folder: Path | None = None) -> Overhead:
    """Run *load* (default: ``sql-set``) without a rate against *lab*: *pairs* tenths of a second recorded, as many not.

    The history goes to *folder*, which should be on the disk that runs use. Raises :class:`Failed` when the clients
    have no success.
    """
    load = load or SqlSet()
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
            for on in _turns(pairs) if recorder.good else ():
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


def _turns(pairs: int) -> Iterator[bool]:
    """On and off in pairs, neither of them always first."""
    for number in range(pairs):
        yield from (True, False) if number % 2 else (False, True)
