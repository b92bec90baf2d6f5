"""What a node's processors do while nobody asks anything of the services: everything counted, and whose it is."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quorate.lab import sentinels, whole
from quorate.lab.faults.daemons import DAEMONS
from quorate.lab.progress import Progress
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

_LETTERS = 15
"""As many letters of a command's name the kernel keeps."""
_EXECUTOR = "pacemaker-execd"
_FENCER = "pacemaker-fenced"[:_LETTERS]
_STACK = frozenset(name[:_LETTERS] for name in DAEMONS)
_PATIENCE = 30.0

# Runs on the node: CPU seconds of each process, own and of its children that ended and were waited for.
_SCRIPT = """
import json, os, time
tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
found = []
for pid in os.listdir("/proc"):
    if not pid.isdigit() or int(pid) == os.getpid():
        continue
    try:
        with open(f"/proc/{pid}/stat") as file:
            head, _, tail = file.read().rpartition(")")
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode("utf-8", "replace").split(chr(0))[:6]
    except OSError:
        continue
    fields = tail.split()
    own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    found.append({
        "pid": int(pid), "start": int(fields[19]), "command": head.partition(" (")[2], "words": words,
        "own": own / tick, "children": children / tick, "rss": int(fields[21]) * page,
    })
print(json.dumps({"at": time.monotonic(), "processes": found}))
"""


@dataclass(frozen=True)
class Process:
    """One process: CPU seconds of its *own* and of the *children* that it has waited for, *rss* in bytes."""

    pid: int
    start: int
    command: str
    words: tuple[str, ...]
    own: float
    children: float
    rss: int


@dataclass(frozen=True)
class Sample:
    """The processes of a node at *at* (seconds of a monotonic clock)."""

    at: float
    processes: tuple[Process, ...]


@dataclass(frozen=True)
class Cost:
    """CPU of one node while idle, as shares of one core (0.01 is 1 %): *total* is everything that ran there.

    Of that: *actions* are what Pacemaker's executor ran and waited for (every monitor of every agent), *sentinel* the
    daemon with what it ran, *cluster* Pacemaker and Corosync themselves, *services* whatever else went on living.
    The rest began and ended in between without anybody's being counted. *sentinel_rss* is in bytes.
    """

    node: str
    seconds: float
    total: float
    actions: float
    sentinel: float
    cluster: float
    services: float
    sentinel_rss: int


def parse_sample(text: str) -> Sample:
    """The :class:`Sample` in what the node printed. Raises :class:`Failed`."""
    try:
        said = json.loads(text)
        processes = tuple(Process(**{**one, "words": tuple(one["words"])}) for one in said["processes"])
        return Sample(float(said["at"]), processes)
    except (ValueError, TypeError, KeyError) as error:
        raise Failed(f"not a list of processes ({type(error).__name__}: {error})") from None


def is_sentinel(process: Process) -> bool:
    """Whether it is the daemon: by its program and its first word, whatever interpreter's options stand before."""
    names = [word.rpartition("/")[2] for word in process.words]
    program = sentinels.PROGRAM.rpartition("/")[2]
    return program in names and "daemon" in names[names.index(program) + 1 :]


def account(node: str, before: Sample, after: Sample, total: float) -> Cost:
    """The :class:`Cost` between two samples; *total* is the share of a core that the whole node took.

    Raises :class:`Failed` when the executor or the sentinel is another one now: the figures would be somebody else's.
    """
    seconds = max(after.at - before.at, 1e-9)
    was = {(one.pid, one.start): one for one in before.processes}
    stayed = [(was[key], one) for one in after.processes if (key := (one.pid, one.start)) in was]
    if not _same(node, "Pacemaker's executor", before.processes, stayed, lambda one: one.command == _EXECUTOR):
        raise Failed(f"node {node}: Pacemaker's executor does not run")
    _same(node, "the sentinel", before.processes, stayed, is_sentinel)
    actions = sentinel = cluster = services = 0.0
    rss = 0
    for first, last in stayed:
        own, children = last.own - first.own, last.children - first.children
        if is_sentinel(last):
            sentinel += own + children
            rss = last.rss
        elif last.command == _EXECUTOR:
            cluster += own
            actions += children
        elif last.command in _STACK:
            # The fencer runs its agents itself. What else has children has daemons that are here themselves.
            cluster += own + (children if last.command == _FENCER else 0.0)
        else:
            services += own
    return Cost(node, seconds, total, actions / seconds, sentinel / seconds, cluster / seconds, services / seconds, rss)


def _same(
    node: str,
    what: str,
    before: Iterable[Process],
    stayed: Sequence[tuple[Process, Process]],
    like: Callable[[Process], bool],
) -> int:
    """How many processes are *like* this, if they are the same before and after. Raises :class:`Failed`."""
    was = {one.pid for one in before if like(one)}
    now = {one.pid for _, one in stayed if like(one)}
    if was != now:
        raise Failed(f"node {node}: {what} did not live through the measurement, which is void")
    return len(now)


HEADINGS = (
    "node",
    "everything (% of a core)",
    "agents' actions",
    "sentinel",
    "Pacemaker and Corosync",
    "services",
    "sentinel RSS (MiB)",
)


def rows(costs: Sequence[Cost]) -> list[list[str]]:
    """The cells under :data:`HEADINGS`: each node, and the mean of all."""
    lines = [_row(one.node, [one]) for one in costs]
    return [*lines, _row("mean", costs)]


def _row(title: str, costs: Sequence[Cost]) -> list[str]:
    def mean(name: str) -> float:
        return statistics.mean(float(getattr(one, name)) for one in costs)

    shares = [f"{100 * mean(name):.2f}" for name in ("total", "actions", "sentinel", "cluster", "services")]
    rss = mean("sentinel_rss") / (1 << 20)
    return [title, *shares, f"{rss:.1f}" if rss else "-"]


def measure(lab: Lab, seconds: float, progress: Progress | None = None) -> list[Cost]:
    """The cost of each node over *seconds* in which nobody does anything; the lab is whole before and after.

    Raises :class:`Failed` when it is not, or a daemon was replaced meanwhile.
    """
    progress = progress or Progress()
    whole.wait_whole(lab)
    with progress.step(f"{seconds:.0f} s without clients"), ThreadPoolExecutor(len(lab.nodes)) as pool:
        costs = list(pool.map(lambda node: _watch(lab, node, seconds), lab.nodes))
    if missing := lab.missing():
        raise Failed(f"the lab {lab.name!r} did not stay whole while it was idle: {'; '.join(missing)}")
    return costs


def _watch(lab: Lab, node: str, seconds: float) -> Cost:
    """The samples stand outside of the two readings of the engine: what they cost is in no total."""
    before = _sample(lab, node)
    began, used = time.monotonic(), _used(lab, node)
    time.sleep(seconds)
    ended, later = time.monotonic(), _used(lab, node)
    return account(node, before, _sample(lab, node), (later - used) / (ended - began))


def _sample(lab: Lab, node: str) -> Sample:
    told = lab.exec(node, ["/usr/bin/python3", "-I", "-S", "-"], stdin=_SCRIPT, timeout=_PATIENCE)
    return parse_sample(told.out)


def _used(lab: Lab, node: str) -> float:
    """CPU seconds that *node* has used since it was powered on: of its cgroup, whose version is the engine's matter."""
    told: Mapping[str, Any] = lab.client.api.stats(lab.layout.container(node), stream=False, one_shot=True)
    try:
        return int(told["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
    except (KeyError, TypeError, ValueError):
        raise Failed(f"node {node}: the engine does not tell its CPU time") from None
