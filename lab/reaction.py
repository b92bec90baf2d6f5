"""From the death of a service to its recovery: each service killed or stopped again and again, nodes in turn.

What Pacemaker did and when is read from its own log, so that looking seldom costs no precision and disturbs little.
"""

from __future__ import annotations

import json
import random
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quorate.lab import actions, sentinels, whole
from quorate.lab.actions import Acts
from quorate.lab.faults import mending
from quorate.lab.faults.process import Processes
from quorate.lab.progress import Progress
from quorate.lab.services import SERVICES, Service
from quorate.lib.problem import Failed, Problem

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

NOTICED = 180.0
"""Seconds in which Pacemaker must have begun to act: a measurement without is void."""
RECOVERED = 300.0
"""Seconds in which the service must be healthy again."""
SPREAD = 10.0
"""Seconds over which the moment of each death is spread by chance: how soon polling sees it depends on its phase."""
MOST, WINDOW = 3, 130.0
"""So many deaths of one instance within so many seconds (s): with more, a sentinel takes it for a crash loop."""
_AGAIN = 0.1
_ANSWER = 0.05
"""Seconds between two attempts to get an answer at the service's door; each waits ten times as long at most."""
_LOOK = 1.0
_ALIVE = 60.0


@dataclass(frozen=True)
class Target:
    """What is killed: the processes of the resource *name*, and the *door* at which clients ask it, if there is one."""

    name: str
    user: str
    commands: tuple[str, ...]
    door: Service | None = None

    @property
    def clone(self) -> str:
        return f"{self.name}-clone"

    @property
    def processes(self) -> Processes:
        return Processes(self.user, self.commands)


TARGETS = (
    *(Target(service.name, service.user, service.commands, service) for service in SERVICES),
    # On the nodes' loopback: nobody outside can ask it.
    Target("haproxy", "", ("haproxy",)),
)


@dataclass(frozen=True)
class Settings:
    """*rounds* deaths of each of *services* (default: all five), by SIGKILL, or by SIGSTOP with *stop*."""

    rounds: int = 3
    stop: bool = False
    services: tuple[str, ...] = ()
    spread: float = SPREAD
    seed: int = 0


@dataclass(frozen=True)
class Reaction:
    """One death, and seconds from it: until Pacemaker *begun* its first action, until the service was *healthy*.

    *told* is when Pacemaker was told of it from outside; None where a monitor found out. A death is when the last
    process was seen gone; for SIGSTOP it is when the signal was sent. What began even before is 0.
    """

    service: str
    node: str
    told: float | None
    begun: float
    healthy: float


@dataclass(frozen=True)
class Summary:
    """The reactions of one service: seconds, and how many of *n* Pacemaker was *told* of from outside."""

    service: str
    n: int
    told: int
    median: float
    worst: float
    healthy: float
    healthy_worst: float


@dataclass(frozen=True)
class Column:
    """One whole measurement, to be put beside others."""

    label: str
    signal: str
    reactions: tuple[Reaction, ...]


# -- figures ---------------------------------------------------------------------------------------------------------


def summarize(reactions: Iterable[Reaction]) -> list[Summary]:
    """A line for each service, in the order of their first reactions."""
    found: dict[str, list[Reaction]] = defaultdict(list)
    for one in reactions:
        found[one.service].append(one)
    return [
        Summary(
            service,
            len(seen),
            sum(one.told is not None for one in seen),
            statistics.median(one.begun for one in seen),
            max(one.begun for one in seen),
            statistics.median(one.healthy for one in seen),
            max(one.healthy for one in seen),
        )
        for service, seen in found.items()
    ]


HEADINGS = ("service", "n", "told", "recovery begins (median s)", "worst", "healthy again (median s)", "worst")


def rows(summaries: Iterable[Summary]) -> list[list[str]]:
    """The cells under :data:`HEADINGS`."""
    return [
        [
            one.service,
            str(one.n),
            str(one.told),
            f"{one.median:.3f}",
            f"{one.worst:.3f}",
            f"{one.healthy:.2f}",
            f"{one.healthy_worst:.2f}",
        ]
        for one in summaries
    ]


def side_by_side(columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of several measurements: median / worst until the recovery begins, and until healthy."""
    headings = ["service"]
    headings += [f"{each.label}: recovery begins (median / worst s)" for each in columns]
    headings += [f"{each.label}: healthy again (median / worst s)" for each in columns]
    found = [{one.service: one for one in summarize(each.reactions)} for each in columns]
    names = list(dict.fromkeys(name for each in found for name in each))
    lines = []
    for name in names:
        seen = [each.get(name) for each in found]
        begins = [f"{one.median:.3f} / {one.worst:.3f}" if one else "-" for one in seen]
        whole = [f"{one.healthy:.2f} / {one.healthy_worst:.2f}" if one else "-" for one in seen]
        lines.append([name, *begins, *whole])
    return headings, lines


def save(path: Path, column: Column) -> None:
    """Keep *column* in the file *path*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(column), indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Column:
    """The measurement that :func:`save` wrote. Raises :class:`Problem`."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Column(str(said["label"]), str(said["signal"]), tuple(Reaction(**one) for one in said["reactions"]))
    except OSError as error:
        raise Problem(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise Problem(f"{path}: not a saved measurement ({type(error).__name__}: {error})") from None


def reckon(target: str, node: str, seen: Acts, origin: float, answered: float | None) -> Reaction:
    """The figures of one death at *origin* (wall clock): of a service that answered again at *answered*, if asked."""
    assert seen.begun is not None, "only what began is reckoned"
    assert seen.up is not None, "only what ended well is reckoned"
    healthy = max(seen.up, answered or 0.0)
    return Reaction(
        target,
        node,
        None if seen.told is None or seen.told > seen.begun else _beyond(seen.told, origin),
        _beyond(seen.begun, origin),
        _beyond(healthy, origin),
    )


def _beyond(wall: float, origin: float) -> float:
    return round(max(0.0, wall - origin), 3)


def rest(deaths: Sequence[float], now: float) -> float:
    """Seconds to wait until another death of an instance that died at *deaths* is not one of a crash loop."""
    recent = sorted(at for at in deaths if now - at < WINDOW)
    return recent[-MOST] + WINDOW - now if len(recent) >= MOST else 0.0


# -- measuring -------------------------------------------------------------------------------------------------------


def chosen(lab: Lab, names: Sequence[str]) -> list[Target]:
    """The targets called *names* (default: the services that the lab has). Raises :class:`Problem`."""
    clones = lab.clones()
    known = {target.name: target for target in TARGETS if target.clone in clones}
    if unknown := [name for name in names if name not in known]:
        raise Problem(f"the lab has no {unknown[0]!r} that could be killed: it has {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] or [each for each in known.values() if each.door]


def measure(lab: Lab, settings: Settings, progress: Progress | None = None) -> list[Reaction]:
    """Every service's deaths, one at a time, the next when all is whole again.

    Nobody else may be hurting the lab (:func:`quorate.lab.sentinels.measuring`). Raises :class:`Failed` when Pacemaker
    does not act in time or the service does not recover; then nothing of it means anything.
    """
    progress = progress or Progress()
    targets = chosen(lab, settings.services)
    watched = sentinels.runs_in(lab)
    chance = random.Random(settings.seed)
    deaths: dict[tuple[str, str], list[float]] = defaultdict(list)
    found = []
    for number in range(settings.rounds):
        with progress.step(f"round {number + 1} of {settings.rounds}"):
            for index, target in enumerate(targets):
                node = lab.nodes[(number + index) % len(lab.nodes)]
                past = deaths[(target.name, node)]
                progress.detail(f"{target.name} on {node}")
                time.sleep(max(rest(past, time.monotonic()), chance.uniform(0, settings.spread)))
                if watched:
                    sentinels.await_watching(lab, [node], [target.name], _ALIVE)
                past.append(time.monotonic())
                one = react(lab, target, node, stop=settings.stop)
                found.append(one)
                progress.detail(f"{target.name} on {node}: {one.begun:.3f} s, healthy after {one.healthy:.2f} s")
                settle(lab)
    return found


def settle(lab: Lab) -> None:
    """All is whole, and no failure is remembered that would count towards the next one's threshold."""
    whole.wait_whole(lab)
    lab.cleanup()
    whole.wait_whole(lab)


def react(lab: Lab, target: Target, node: str, *, stop: bool = False) -> Reaction:
    """One death of *target* on *node*, and what came of it. Raises :class:`Failed` as :func:`measure` does."""
    noted = actions.note(lab, node)
    signal = "STOP" if stop else "KILL"
    healing = [partial(mending.persist, lab, node, partial(target.processes.let_go, lab, node))] if stop else []
    with mending.healed_by(*healing):
        # Hardly waiting for more of them: what is started anew is started soon.
        strike = target.processes.strike(lab, node, signal, again=_AGAIN)
        origin = strike.sent if stop else strike.over
        with _asking(lab, target, node) as answered:
            seen = _follow(lab, target, node, noted, strike.sent, answered, f"SIG{signal}")
    return reckon(target.name, node, seen, origin, answered.get("at"))


def _follow(
    lab: Lab,
    target: Target,
    node: str,
    noted: Mapping[str, int],
    sent: float,
    answered: Mapping[str, float],
    signal: str,
) -> Acts:
    """What Pacemaker did from *sent* on, once the service is started, answers, and the lab is healthy."""
    began = time.monotonic()
    while True:
        # First: a look costs what a recovery does that is only just beginning.
        time.sleep(_LOOK)
        seen = actions.acts(actions.since(lab, node, noted, sent), target.name, node, sent)
        passed = time.monotonic() - began
        if seen.begun is None:
            if passed > NOTICED:
                raise Failed(
                    f"{target.name} on {node}: Pacemaker did nothing about {signal} within {NOTICED:.0f} s: "
                    "the measurement is void"
                )
        elif _up(seen, target, answered) and not lab.missing():
            # Once more: what was started may have been promoted since, or stopped again.
            seen = actions.acts(actions.since(lab, node, noted, sent), target.name, node, sent)
            if _up(seen, target, answered):
                return seen
        elif passed > RECOVERED:
            missing = "; ".join(lab.missing()) or ("it does not answer" if "at" not in answered else "not started")
            raise Failed(f"{target.name} on {node}: not healthy {RECOVERED:.0f} s after {signal}: {missing}")


def _up(seen: Acts, target: Target, answered: Mapping[str, float]) -> bool:
    return seen.up is not None and (target.door is None or "at" in answered)


@contextmanager
def _asking(lab: Lab, target: Target, node: str) -> Iterator[Mapping[str, float]]:
    """Within, the service is asked at its door until it answers: then ``at`` is there, in seconds of the wall clock."""
    answered: dict[str, Any] = {}
    ended = threading.Event()
    address = lab.address(node)

    def ask(door: Service) -> None:
        while not ended.wait(_ANSWER):
            if not door.silent(address, _ANSWER * 10):
                answered["at"] = time.time()
                return

    with ThreadPoolExecutor(1) as pool:
        try:
            if target.door is not None:
                pool.submit(ask, target.door)
            yield answered
        finally:
            ended.set()
