"""No false alarm: what happens to a cluster in which nothing fails, and every failure that Pacemaker is told of then.

What counts is Pacemaker's own log: the daemons' counters are lost with a daemon that is killed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

from quorate.lab import actions, sentinels, whole
from quorate.lab.events import Event
from quorate.lab.faults import mending, operations
from quorate.lab.history import OK, HistoryLog
from quorate.lab.progress import Progress
from quorate.lab.recorder import Recorder
from quorate.lab.workload import Pace, Place
from quorate.lab.workloads.probes import PROBES
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

WARM_UP = 60.0
FEWEST = 3
"""Successes that each client must have, before a phase begins and when it has ended."""
IDLE = 0.1
"""The most of the processors' time that may be left over in a phase that is there to saturate them."""
AFTERMATH = 5.0
"""Seconds after something was done in which a false alarm may still come of it."""
_WHOLE = 300.0
_WATCHING = 180.0
_LOOK = 0.2

# A process of our own for each core. It ends with us, and at the latest when its time is up, whatever becomes of us.
_LOOP = """
import ctypes, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
signal.alarm(int(sys.argv[1]))
while True:
    pass
"""


@dataclass(frozen=True)
class Settings:
    """How long each phase is; the defaults are the full measurement. Lengths in seconds, *rate* in requests/s a client.

    *busy* is the time with saturated processors; *pauses* of a node are each between *shortest* and *longest*;
    *planned* stops and starts of one instance; *restarts* of all nodes in turn; *kills* of a sentinel, *apart*.
    """

    busy: float = 3600.0
    pauses: int = 10
    shortest: float = 0.5
    longest: float = 3.0
    planned: int = 200
    restarts: int = 1
    kills: int = 30
    apart: float = 20.0
    rate: float = 2.0
    seed: int = 0

    def scaled(self, scale: float) -> Settings:
        """The same with fewer of everything, but one at least. What a single pause or kill is stays as it is."""
        if scale <= 0:
            raise ValueError(f"a measurement cannot be {scale} times as long")
        fewer = {
            name: max(1, round(scale * getattr(self, name))) for name in ("pauses", "planned", "restarts", "kills")
        }
        return replace(self, busy=max(1.0, scale * self.busy), **fewer)

    def lengths(self) -> list[float]:
        """How long each pause is (s): from *shortest* to *longest* in even steps; a single one is the longest."""
        if self.pauses == 1:
            return [self.longest]
        step = (self.longest - self.shortest) / (self.pauses - 1)
        return [round(self.shortest + number * step, 3) for number in range(self.pauses)]


@dataclass(frozen=True)
class Result:
    """One phase: what was *done* in *seconds*, and what came of it.

    *alarms* are the failures that Pacemaker was told of from outside, none of which was one; *reported* is how many
    the daemons say that they told, as far as they lived on. *troubles* are other failures in Pacemaker's log (its own
    monitors', fencing), *fail_counts* what it counted at the end. *requests* of light clients, of which *failed*.
    """

    phase: str
    done: str
    seconds: float
    alarms: tuple[str, ...]
    reported: int
    troubles: tuple[str, ...]
    fail_counts: tuple[str, ...]
    requests: int
    failed: int


HEADINGS = (
    "phase",
    "length",
    "false reports",
    "failures seen by Pacemaker's own monitors",
    "fail counts",
    "requests",
    "not ok",
)


def rows(results: Iterable[Result]) -> list[list[str]]:
    """The cells under :data:`HEADINGS`."""
    return [
        [
            f"{one.phase}: {one.done}",
            duration(one.seconds),
            str(len(one.alarms)),
            str(len(one.troubles)),
            str(len(one.fail_counts)),
            str(one.requests),
            str(one.failed),
        ]
        for one in results
    ]


def duration(seconds: float) -> str:
    """*seconds* in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def fail_counts(cib: str, but: Sequence[str] = ()) -> tuple[str, ...]:
    """Every failure that the CIB counts (``fail-count-*``), one phrase each, except those of the resources *but*."""
    found = []
    for state in etree.fromstring(cib.encode()).iterfind("status/node_state"):
        for pair in state.iterfind("transient_attributes//nvpair"):
            what = (pair.get("name") or "").partition("fail-count-")[2]
            if (
                what
                and what.partition("#")[0].partition(":")[0] not in but
                and pair.get("value") not in (None, "", "0")
            ):
                found.append(f"{state.get('uname')}: {what} {pair.get('value')}")
    return tuple(found)


def words(events: Iterable[Event]) -> tuple[str, ...]:
    """*events* as phrases with their time of day (UTC)."""
    return tuple(f"{datetime.fromtimestamp(each.wall, UTC):%H:%M:%S} {each.node}: {each.text}" for each in events)


# -- what is done ----------------------------------------------------------------------------------------------------


def idle_share(before: str, after: str) -> float:
    """The share of the processors' time between two texts of ``/proc/stat`` in which they had nothing to do."""
    first, last = (_times(text) for text in (before, after))
    spent = [b - a for a, b in zip(first, last, strict=True)]
    return (spent[3] + spent[4]) / max(1, sum(spent))


def _times(text: str) -> list[int]:
    """user, nice, system, idle, iowait, irq, softirq, steal; a guest's time is in the user's already."""
    return [int(field) for field in text.splitlines()[0].split()[1:9]]


@contextmanager
def saturated(seconds: float, cores: int = 0) -> Iterator[list[int]]:
    """A busy process for each of the machine's *cores*, at an ordinary priority; their pids. They end on leaving."""
    argv = [sys.executable, "-I", "-S", "-c", _LOOP, str(int(seconds) + 120)]
    loops: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(cores or os.cpu_count() or 1):
            loops.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL))
        yield [loop.pid for loop in loops]
    finally:
        for loop in loops:
            loop.send_signal(signal.SIGKILL)
        for loop in loops:
            loop.wait()


def _busy(lab: Lab, settings: Settings, progress: Progress) -> str:
    stat = Path("/proc/stat")
    with saturated(settings.busy) as loops:
        before = stat.read_text(encoding="ascii")
        time.sleep(settings.busy)
        idle = idle_share(before, stat.read_text(encoding="ascii"))
    if idle > IDLE:
        raise Failed(f"the processors were idle for {idle:.0%} of the time that was to saturate them: it is void")
    return f"{len(loops)} busy processes, {idle:.1%} idle"


@contextmanager
def fencing_off(lab: Lab) -> Iterator[None]:
    """No node is fenced within; on leaving, fencing is as the CIB had it."""
    option = ["crm_attribute", "--type", "crm_config", "--name", "stonith-enabled"]
    before = operations.tell(lab, [*option, "--query", "--quiet", "--default", "true"]).strip()
    with mending.healed_by(partial(mending.again, partial(operations.tell, lab, [*option, "--update", before]))):
        operations.tell(lab, [*option, "--update", "false"])
        yield


def _pauses(lab: Lab, settings: Settings, progress: Progress) -> str:
    with fencing_off(lab):
        for number, seconds in enumerate(settings.lengths()):
            node = lab.nodes[number % len(lab.nodes)]
            progress.detail(f"{node} for {seconds:.2f} s")
            with mending.healed_by(partial(mending.unfreeze, lab, node)):
                lab.container(node).pause()
                frozen = time.monotonic()
                if mending.boot(lab, node)[0] != "paused":
                    raise Failed(f"node {node} was not frozen: the measurement is void")
                time.sleep(max(0.0, seconds - (time.monotonic() - frozen)))
            time.sleep(AFTERMATH)
            whole.wait_whole(lab, _WHOLE)
    return f"{settings.pauses} pauses of {settings.lengths()[0]:g} to {settings.longest:g} s"


def _planned(lab: Lab, settings: Settings, progress: Progress) -> str:
    chance = random.Random(settings.seed)
    # Another provider's too: its agent announces no stop to anybody.
    clones = [clone for clone in lab.clones() if clone != sentinels.CLONE]
    for number in range(settings.planned):
        clone, node = clones[number % len(clones)], chance.choice(lab.nodes)
        progress.detail(f"{number + 1} of {settings.planned}: {clone} on {node}")
        stop_and_start(lab, clone, node)
    return f"{settings.planned} planned stops and starts"


def stop_and_start(lab: Lab, clone: str, node: str) -> None:
    """Stop the instance of *clone* on *node* by plan, see it gone, and start it again; returns when all is healthy."""
    tell = partial(operations.tell, lab)
    clear = partial(tell, ["crm_resource", "--clear", "--resource", clone, "--node", node])
    with mending.healed_by(partial(mending.again, clear)):
        tell(["crm_resource", "--ban", "--resource", clone, "--node", node])
        operations.await_state(f"{clone} gone from {node}", lambda: node not in operations.present(lab, clone))
    lab.wait_healthy(_WHOLE)


def _restarts(lab: Lab, settings: Settings, progress: Progress) -> str:
    for number in range(settings.restarts):
        with operations.RollingRestart().inject(lab, random.Random(settings.seed + number)) as injected:
            progress.detail(injected.words)
            if "was not whole" in injected.words:
                raise Failed(f"the rolling restart did harm: {injected.words}")
    return f"{settings.restarts} rolling restart{'s' if settings.restarts > 1 else ''}"


def _kills(lab: Lab, settings: Settings, progress: Progress) -> str:
    for number in range(settings.kills):
        node = lab.nodes[number % len(lab.nodes)]
        begun = time.monotonic()
        sentinels.kill(lab, node)
        progress.detail(f"{number + 1} of {settings.kills}: {node}")
        time.sleep(max(0.0, settings.apart - (time.monotonic() - begun)))
    sentinels.await_watching(lab, patience=_WATCHING)
    return f"{settings.kills} kill -9 of a sentinel, {settings.apart:g} s apart"


@dataclass(frozen=True)
class Phase:
    """Something that is no failure of any service. *needs_sentinel*: there is nothing to do without one."""

    name: str
    do: Callable[[Lab, Settings, Progress], str]
    needs_sentinel: bool = False


PHASES = (
    Phase("saturated", _busy),
    Phase("paused", _pauses),
    Phase("planned", _planned),
    Phase("rolling", _restarts),
    Phase("sentinel killed", _kills, needs_sentinel=True),
)


# -- measuring -------------------------------------------------------------------------------------------------------


def measure(
    lab: Lab,
    settings: Settings,
    progress: Progress | None = None,
    phases: Sequence[Phase] = PHASES,
    done: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Every phase in turn, light clients on every service meanwhile; *done* is told of each at once.

    Nobody else may be hurting the lab (:func:`quorate.lab.sentinels.measuring`). Raises :class:`Failed` when a phase
    is void: the clients had no success, or what was to be done was not seen to have been.
    """
    progress = progress or Progress()
    watched = sentinels.runs_in(lab)
    found = []
    for phase in phases:
        if phase.needs_sentinel and not watched:
            continue
        with progress.step(phase.name):
            found.append(_measure(lab, phase, settings, progress, watched))
        if done is not None:
            done(found[-1])
    return found


def _measure(lab: Lab, phase: Phase, settings: Settings, progress: Progress, watched: bool) -> Result:
    whole.wait_whole(lab, _WHOLE)
    lab.cleanup()
    whole.wait_whole(lab, _WHOLE)
    if watched:
        sentinels.await_watching(lab)
    # The daemons' own failures are no service's.
    ours = (sentinels.RESOURCE,)
    with tempfile.TemporaryDirectory(dir=lab.folder) as folder, _clients(lab, settings, Path(folder)) as recorders:
        said = _reported(lab) if watched else {}
        noted = {node: actions.note(lab, node) for node in lab.nodes}
        wall, begun = time.time(), time.monotonic()
        done = phase.do(lab, settings, progress)
        seconds = time.monotonic() - begun
        time.sleep(AFTERMATH)
        whole.wait_whole(lab, _WHOLE)
        good = {recorder.workload.name: recorder.good for recorder in recorders}
        _await_success(recorders, good)
    seen = [event for node in lab.nodes for event in actions.since(lab, node, noted[node], wall)]
    ops = [op for recorder in recorders for op in recorder.ops]
    return Result(
        phase.name,
        done,
        seconds,
        words(actions.told(seen)),
        _more(said, _reported(lab)) if watched else 0,
        words(actions.troubles(seen, ours)),
        fail_counts(lab.cib(), ours),
        len(ops),
        sum(op.outcome != OK for op in ops),
    )


def _reported(lab: Lab) -> dict[str, tuple[int, int]]:
    """Pid, and how many failures it told, of each node's daemon."""
    seen = (sentinels.await_status(lab, node) for node in lab.nodes)
    return {one.node: (one.pid, one.reported) for one in seen}


def _more(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> int:
    """How many more the daemons told: one that is another now began at nothing."""
    more = 0
    for node, (pid, reported) in after.items():
        was, count = before.get(node, (0, 0))
        more += reported - count if was == pid else reported
    return more


@contextmanager
def _clients(lab: Lab, settings: Settings, folder: Path) -> Iterator[list[Recorder]]:
    """Light clients of every service on all nodes; they are warm, and stopped on leaving."""
    places = [Place(node, lab.address(node)) for node in lab.nodes]
    clones = lab.clones()
    loads = [load for load in (probe() for probe in PROBES) if f"{load.service}-clone" in clones]
    for load in loads:
        load.prepare(lab)
    with HistoryLog(folder / "history.jsonl", {"calm": lab.name}) as log:
        pace = Pace(settings.rate, workers=2)
        recorders = [Recorder(log, load, places, pace) for load in loads]
        try:
            for recorder in recorders:
                recorder.start()
            _await_success(recorders, {})
            yield recorders
        finally:
            for recorder in recorders:
                recorder.halt()
            for recorder in recorders:
                recorder.stop()


def _await_success(recorders: Sequence[Recorder], before: Mapping[str, int]) -> None:
    """Until each client has had some more successes than *before*. Raises :class:`Failed`."""
    until = time.monotonic() + WARM_UP
    while cold := [each for each in recorders if each.good < before.get(each.workload.name, 0) + FEWEST]:
        if time.monotonic() > until:
            why = cold[0].last_error or "no request ended"
            raise Failed(f"the client of {cold[0].workload.service} has no success, the measurement is void: {why}")
        time.sleep(_LOOK)
