"""What the cluster did, read from its logs: fencing, membership, elections, starts and stops.

Every node logs the same fencing and the same membership: what was one happening becomes one event. The text of a log
is understood here, without I/O; :func:`cluster_events` only fetches it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quorate.lab import logs
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

LOST, JOINED = "membership-lost", "membership-joined"
FENCING, FENCED, FAILED, DEGRADED = "fencing", "fenced", "failed", "degraded"
DC, QUORUM, MAINTENANCE, DAEMON = "dc", "quorum", "maintenance", "daemon"

PACEMAKER = "/var/log/pacemaker/pacemaker.log"
COROSYNC = "/var/log/corosync/corosync.log"

ONE_HAPPENING = 5.0
"""Seconds within which several nodes' accounts of the same are accounts of one happening."""
_FIRST_BYTES = 1 << 20
_HALF_A_YEAR = 183 * 86400.0


@dataclass(frozen=True)
class Event:
    """One thing that happened on *node* (or to it; empty: to the cluster), at *wall* seconds of the wall clock."""

    wall: float
    kind: str
    node: str
    text: str


@dataclass(frozen=True)
class Line:
    """One line of a log, at *wall* seconds: who wrote it, and the message."""

    wall: float
    node: str
    source: str
    message: str


# -- lines -----------------------------------------------------------------------------------------------------------

_STAMP = r"(\w{3} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?)"
_PACEMAKER_LINE = re.compile(rf"{_STAMP} (\S+) ([\w-]+?)\s*\[\d+\] \([^)]*\)\s+\w+: (.*)")
_COROSYNC_LINE = re.compile(rf"{_STAMP} \[\d+\] (\S+) corosync \w+\s+\[(\w+)\s*\] (.*)")


def read_stamp(stamp: str, near: float) -> float:
    """Seconds of the wall clock for a time as syslog writes it: without a year, which is that of the time *near*.

    The nodes' clocks are this machine's, and show UTC.
    """
    whole, _, fraction = stamp.partition(".")
    year = datetime.fromtimestamp(near, UTC).year
    best = 0.0
    for candidate in (year, year - 1, year + 1):
        try:
            moment = datetime.strptime(f"{candidate} {whole}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue  # the 29th of February of another year
        if abs(moment - near) < _HALF_A_YEAR:
            best = moment
            break
        best = best or moment
    return best + float(f"0.{fraction or 0}")


def lines(text: str, pattern: re.Pattern[str], since: float) -> Iterator[Line]:
    """The lines of a log that match *pattern* and were written at or after *since*; others are no messages."""
    last, wall = "", 0.0
    for raw in text.splitlines():
        match = pattern.match(raw)
        if match is None:
            continue
        stamp, node, source, message = match.groups()
        if stamp != last:
            last, wall = stamp, read_stamp(stamp, since)
        # The file keeps milliseconds, and the caller's clock has more of them.
        if wall >= since - 0.001:
            yield Line(wall, node, source, message)


# -- pacemaker -------------------------------------------------------------------------------------------------------

_BEGUN = re.compile(r"Requesting local execution of (start|stop|promote|demote) operation for (\S+) on (\S+)")
_RESULT = re.compile(r"Result of (\S+) operation for (\S+) on (\S+): (.*?)(?: \| .*?(?:\brc=(-?\d+))?)?$")
_DONE = {"start": "started", "stop": "stopped", "promote": "promoted"}
_WILL_FENCE = re.compile(r"(?:Cluster|Guest|Remote) node (\S+) will be fenced: (.*)")
_FENCING = re.compile(r"Requesting peer fencing \((\w+)\) targeting (\S+)|Requesting fencing \((\w+)\) of node (\S+)")
_FENCED = re.compile(r"Operation '(\w+)' targeting (\S+) (?:by|using) (.+?) for \S+?: (\w.*?) \| id=(\w+)")
# Every node notes whom it takes for the DC, and notes it again when it comes back; only the new one says this.
_ELECTED = "Taking over DC status"
_DIED = re.compile(r"(pacemaker-\w+)\[\d+\] (terminated.*?|exited with status .*?)(?: \||$)")
_SETTING = r"maintenance-mode|maintenance|standby|is-managed|target-role"
_SET = re.compile(rf'\+\+ .*<nvpair id="([^"]+)" name="({_SETTING})" value="([^"]*)"')
_CHANGED = re.compile(rf"\+  /cib/.*nvpair\[@id='([^']*?-({_SETTING}))'\]:  @value=([^,]*)")
_UNSET = re.compile(rf"-- /cib/.*nvpair\[@id='([^']*?-({_SETTING}))'\]()$")
_CONSTRAINED = re.compile(r"aborted by rsc_location\.(\S+) 'create'")
_FREED = re.compile(r"aborted by deletion of rsc_location\[@id='([^']+)'\]")
_PACEMAKERD = (
    ("Starting Pacemaker", "Pacemaker starts"),
    ("Shutting down Pacemaker", "Pacemaker is shut down"),
    ("Lost connection to cluster layer", "Pacemaker lost its Corosync"),
)
_GOOD_RC = (0, 8)
_DEGRADED_RC = (190, 191)


def pacemaker_events(written: Iterable[Line], ids: Mapping[str, str]) -> Iterator[Event]:
    """What the Pacemaker of one node tells. *ids* are the names of the nodes by their numbers."""
    reasons: dict[str, str] = {}
    for line in written:
        if match := _WILL_FENCE.match(line.message):
            reasons[match[1]] = match[2]
        elif line.source == "pacemaker-controld":
            yield from _controld(line, reasons)
        elif line.source == "pacemaker-fenced":
            yield from _fenced(line, reasons)
        elif line.source == "pacemakerd":
            yield from _pacemakerd(line)
        elif line.source == "pacemaker-based":
            match = _SET.match(line.message) or _CHANGED.match(line.message) or _UNSET.match(line.message)
            if match:
                yield _setting(line.wall, match[1], match[2], match[3], ids)


def _controld(line: Line, reasons: Mapping[str, str]) -> Iterator[Event]:
    message = line.message
    if match := _BEGUN.match(message):
        operation, resource, node = match.groups()
        yield Event(line.wall, operation, node, f"{operation} of {resource}")
    elif match := _RESULT.match(message):
        yield from _result(line.wall, *match.groups())
    elif match := _FENCING.match(message):
        yield _fencing(line, match, reasons)
    elif message.startswith(_ELECTED):
        yield Event(line.wall, DC, line.node, f"{line.node} is the DC")
    elif match := _CONSTRAINED.search(message):
        yield Event(line.wall, MAINTENANCE, "", f"the constraint {match[1]} is set")
    elif match := _FREED.search(message):
        yield Event(line.wall, MAINTENANCE, "", f"the constraint {match[1]} is taken back")


def _result(wall: float, operation: str, resource: str, node: str, said: str, code: str | None) -> Iterator[Event]:
    rc = int(code) if code else -1
    if said.startswith("Cancelled") or (operation == "probe" and rc == 7):
        return
    if rc in _GOOD_RC or said == "ok":
        if operation in _DONE:
            yield Event(wall, _DONE[operation], node, resource)
    elif rc in _DEGRADED_RC:
        yield Event(wall, DEGRADED, node, f"{operation} of {resource}: {said}")
    else:
        yield Event(wall, FAILED, node, f"{operation} of {resource}: {said}")


def _fencing(line: Line, match: re.Match[str], reasons: Mapping[str, str]) -> Event:
    action, node = match[1] or match[3], match[2] or match[4]
    why = f": {reasons[node]}" if node in reasons else ""
    return Event(line.wall, FENCING, node, f"fencing ({action}) of {node} requested{why}")


def _fenced(line: Line, reasons: Mapping[str, str]) -> Iterator[Event]:
    if match := _FENCING.match(line.message):
        yield _fencing(line, match, reasons)
    elif match := _FENCED.match(line.message):
        action, node, by, result, number = match.groups()
        if result.split(" (")[0] == "OK":
            yield Event(line.wall, FENCED, node, f"{node} was fenced ({action}) by {by}")
        else:
            yield Event(line.wall, FAILED, node, f"fencing ({action}) of {node} by {by}: {result} [{number}]")


def _pacemakerd(line: Line) -> Iterator[Event]:
    if match := _DIED.match(line.message):
        yield Event(line.wall, DAEMON, line.node, f"{match[1]} {match[2]}")
    elif line.message.startswith("Respawning "):
        yield Event(line.wall, DAEMON, line.node, line.message.split(" after ")[0])
    else:
        words = (words for beginning, words in _PACEMAKERD if line.message.startswith(beginning))
        yield from (Event(line.wall, DAEMON, line.node, said) for said in words)


def _setting(wall: float, number: str, setting: str, value: str, ids: Mapping[str, str]) -> Event:
    """A *setting* with the id *number*, which tells whose it is: the cluster's, a node's, or a resource's."""
    owner = number.removesuffix(f"-{setting}")
    match = re.fullmatch(r"(?:nodes|status)-(\d+)", owner)
    node = ids.get(match[1], match[1]) if match else ""
    whose = node or owner.removesuffix("-meta_attributes")
    name = setting if whose == "cib-bootstrap-options" else f"{setting} of {whose}"
    return Event(wall, MAINTENANCE, node, f"{name} is {value or 'taken back'}")


# -- corosync --------------------------------------------------------------------------------------------------------

_SYNC = re.compile(r"Sync (members|joined|left)\[\d+\]:((?: \d+)+)")
_FORMED = re.compile(r"A new membership \((\S+?)\) was formed")


@dataclass(frozen=True)
class View:
    """One node's account of a new membership, which is known by its *ring*."""

    wall: float
    observer: str
    ring: str
    members: frozenset[str]
    joined: frozenset[str]
    left: frozenset[str]


def views(written: Iterable[Line], ids: Mapping[str, str]) -> Iterator[View]:
    """The memberships in the lines of one node's Corosync."""
    parts: dict[str, frozenset[str]] = {}
    for line in written:
        if match := _SYNC.match(line.message):
            parts[match[1]] = frozenset(ids.get(number, number) for number in match[2].split())
        elif match := _FORMED.match(line.message):
            nobody: frozenset[str] = frozenset()
            found = (parts.get(part, nobody) for part in ("members", "joined", "left"))
            yield View(line.wall, line.node, match[1], *found)
            parts = {}


def quorum_events(written: Iterable[Line]) -> Iterator[Event]:
    """Quorum lost and found, and Corosync's own beginning and end, in the lines of one node's Corosync."""
    for line in written:
        if "within the non-primary component" in line.message:
            yield Event(line.wall, QUORUM, line.node, f"{line.node} lost quorum")
        elif "within the primary component" in line.message:
            yield Event(line.wall, QUORUM, line.node, f"{line.node} has quorum")
        elif "exiting normally" in line.message:
            yield Event(line.wall, DAEMON, line.node, "Corosync ends")
        elif "Corosync Cluster Engine" in line.message and line.message.endswith("starting up"):
            yield Event(line.wall, DAEMON, line.node, "Corosync starts")


def membership_events(seen: Sequence[View]) -> Iterator[Event]:
    """Who left and who joined, from all nodes' accounts.

    Of two parts that find each other the larger one stays and the other joins it. A part that is smaller than what it
    lost was cut off itself.
    """
    rings: dict[str, list[View]] = defaultdict(list)
    for view in sorted(seen, key=lambda view: view.wall):
        rings[view.ring].append(view)
    for group in rings.values():
        stayed = max(len(view.members - view.joined) for view in group)
        for node in sorted({n for v in group if stayed and len(v.members - v.joined) == stayed for n in v.joined}):
            yield Event(group[0].wall, JOINED, node, f"{node} joined")
        for view in group:
            if view.left and len(view.members) >= len(view.left):
                for node in sorted(view.left):
                    yield Event(view.wall, LOST, node, f"{node} left, {_and(view.members)} remain")
            elif view.left:
                for node in sorted(view.members):
                    yield Event(view.wall, LOST, node, f"{node} is cut off from {_and(view.left)}")


def _and(names: frozenset[str]) -> str:
    return " and ".join(sorted(names))


# -- all of it -------------------------------------------------------------------------------------------------------


def merge(found: Iterable[Event]) -> list[Event]:
    """The events in their order, each happening once: the first account of it, in the words that say the most."""
    kept: list[Event] = []
    last: dict[tuple[str, str, str], int] = {}
    settings: dict[str, str] = {}
    for event in sorted(found, key=lambda event: event.wall):
        if event.kind == MAINTENANCE:
            # Every node tells of it, and one that was away tells of it when it comes back.
            name, _, value = event.text.partition(" is ")
            if settings.get(name) == value:
                continue
            settings[name] = value
        shared = event.kind in (LOST, JOINED, FENCING, FENCED)
        key = (event.kind, event.node, "" if shared else event.text)
        at = last.get(key)
        if at is not None and event.wall - kept[at].wall <= ONE_HAPPENING:
            first = kept[at]
            longer = event.text if event.kind == FENCING and len(event.text) > len(first.text) else first.text
            kept[at] = Event(first.wall, first.kind, first.node, longer)
            continue
        # One node's own operations may repeat as fast as they like.
        if shared or event.kind == DC or "fencing" in event.text:
            last[key] = len(kept)
        kept.append(event)
    return kept


def read_events(texts: Iterable[Mapping[str, str]], nodes: Sequence[str], since: float) -> list[Event]:
    """The events since *since* in the logs of several nodes: each a mapping of the logs' paths to their text.

    *nodes* are the cluster's nodes in the order of their numbers, which begin at 1.
    """
    ids = {str(number): name for number, name in enumerate(nodes, 1)}
    found: list[Event] = []
    seen: list[View] = []
    for text in texts:
        found += pacemaker_events(lines(text.get(PACEMAKER, ""), _PACEMAKER_LINE, since), ids)
        told = list(lines(text.get(COROSYNC, ""), _COROSYNC_LINE, since))
        seen += views(told, ids)
        found += quorum_events(told)
    return merge([*found, *membership_events(seen)])


def cluster_events(lab: Lab, since: float) -> Iterator[Event]:
    """The events of every node since *since* (wall clock), in their order; also of nodes whose power is off.

    A node whose logs cannot be had is left out; raises :class:`Failed` when that is so for all.
    """
    with ThreadPoolExecutor(len(lab.nodes)) as pool:
        asked = [pool.submit(_recent, lab, node, since) for node in lab.nodes]
    texts, trouble = [], ""
    for future in asked:
        try:
            texts.append(future.result())
        except Exception as error:  # also the engine's many: the other nodes' logs are worth having
            trouble = str(error)
    if not texts:
        raise Failed(f"no node's logs can be read: {trouble}")
    yield from read_events(texts, lab.nodes, since)


def _recent(lab: Lab, node: str, since: float) -> dict[str, str]:
    """The ends of the logs of *node*, so long that they reach back to *since*."""
    size = _FIRST_BYTES
    while True:
        texts = logs.read(lab, node, (PACEMAKER, COROSYNC), {PACEMAKER: -size, COROSYNC: -size})
        if all(len(text.encode()) < size or _reaches(text, since) for text in texts.values()):
            return texts
        size *= 4


def _reaches(text: str, since: float) -> bool:
    """Whether the first line of a log is from before *since*."""
    for raw in text.splitlines():
        match = _PACEMAKER_LINE.match(raw) or _COROSYNC_LINE.match(raw)
        if match:
            return read_stamp(match[1], since) < since
    return False
