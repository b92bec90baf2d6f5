"""A report as values, and as ``report.json``: everything that the page says except the operations themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from quorate.lab.checker import Verdict, worst
from quorate.lib.problem import Failed, Problem

FORMAT = 1
"""The number that a report.json begins with; raised when an older reader would misunderstand it."""
FILE = "report.json"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Machine:
    """What the lab ran on: processor *cores*, *memory* in GiB, the kernel and the container engine."""

    cores: int
    memory: float
    kernel: str
    engine: str


@dataclass(frozen=True)
class Header:
    """*date* is ISO 8601 in UTC; *commit* is empty outside a checkout; *versions* are a node's packages.

    *agents* says for each service which agent ran it (``class:provider:type``).
    """

    date: str
    quorate: str
    commit: str
    machine: Machine
    versions: Mapping[str, str]
    topology: str
    agents: Mapping[str, str]
    seed: int | None = None


@dataclass(frozen=True)
class Part:
    """One workload in one part of a run: how many requests were *ok*, and the percentiles of their latency (s)."""

    ok: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True)
class Load:
    """What the clients of one *workload* saw: all its *requests*; since the fault, those that *failed* and those of
    *unknown* outcome, and before it, both (*early*); *downtime* (s) from the first error to the last; the longest
    *gap* (s) without a success, which began *gap_at* seconds into the run.
    """

    workload: str
    requests: int
    failed: int
    unknown: int
    early: int
    downtime: float
    gap: float
    gap_at: float
    before: Part
    during: Part
    after: Part

    @property
    def bad(self) -> int:
        """Requests since the fault that were not ok."""
        return self.failed + self.unknown


@dataclass(frozen=True)
class Moment:
    """Something the cluster did, at *t* seconds into the run."""

    t: float
    kind: str
    node: str
    text: str


@dataclass(frozen=True)
class Entry:
    """One scenario that ran. Every time is in seconds of the run, every duration counts from the fault.

    *began* is the wall clock's time at zero (ISO 8601, UTC), *folder* where the files are, inside the report's.
    *marks* are the first moments of each phase; *detect*, *one* and *whole* are how long it took until the cluster
    noticed, until the first instance that was hurt was back, and until all was whole: None where it never happened.
    *remade* is why the lab was made anew before this scenario, empty when it was not.
    """

    name: str
    about: str
    folder: str
    began: str
    seed: int
    fault: str
    injected: str
    nodes: tuple[str, ...]
    value: str
    expect: str
    trouble: str
    marks: Mapping[str, float]
    detect: float | None
    one: float | None
    whole: float | None
    verdicts: tuple[Verdict, ...]
    loads: tuple[Load, ...]
    events: tuple[Moment, ...]
    remade: str = ""

    @property
    def expected(self) -> bool:
        return self.value == self.expect

    @property
    def lost(self) -> int | None:
        """What was acknowledged and is gone, over all checkers; None when none counts it."""
        return self._total("lost")

    @property
    def duplicated(self) -> int | None:
        """What is there twice, over all checkers; None when none counts it."""
        return self._total("duplicated")

    def _total(self, figure: str) -> int | None:
        values = [verdict.figures.get(figure) for verdict in self.verdicts]
        found = [value for value in values if isinstance(value, int)]
        return sum(found) if found else None


@dataclass(frozen=True)
class Report:
    header: Header
    entries: tuple[Entry, ...]

    @property
    def value(self) -> str:
        return worst([entry.value for entry in self.entries])

    @property
    def workloads(self) -> tuple[str, ...]:
        """Every workload of any scenario, in the order in which they first appear."""
        return tuple(dict.fromkeys(load.workload for entry in self.entries for load in entry.loads))


def write_report(folder: Path, report: Report) -> Path:
    """Write *report* into *folder*, all of it or nothing; the file. Raises :class:`Failed`."""
    document = _plain({"format": FORMAT, **asdict(report)})
    text = json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
    return put(folder / FILE, text)


def _plain(value: Any) -> Any:
    """*value* as JSON can say it: what a checker counts in may be a set, or a number without end."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(inner) for inner in value), key=repr)
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    return value if value is None or isinstance(value, str | int) else str(value)


def put(path: Path, text: str) -> Path:
    """Put *text* in the place of *path* at once. Raises :class:`Failed`."""
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise Failed(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


def read_report(folder: Path) -> Report:
    """The report in *folder*. Raises :class:`Problem` that names the place which cannot be understood."""
    path = folder / FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Problem(f"{folder}: there is no report here: it has no {FILE}") from None
    except OSError as error:
        raise Problem(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise Problem(f"{path}: not a report: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise Problem(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise Problem(f"{path}: not a report: nested too deeply") from None
    place = _Place(str(path), document)
    version = place.at("format", int)
    if version > FORMAT:
        raise Problem(f"{path}: format {version} is newer than this version of quorate, which reads up to {FORMAT}")
    return Report(_header(place.under("header")), tuple(_entry(one) for one in place.each("entries")))


class _Place:
    """A part of the document that knows where it is."""

    def __init__(self, where: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise Problem(f"{where}: must be an object")
        self.where = where
        self._value = value

    def at(self, key: str, kind: type[_T]) -> _T:
        """The value of *key*, which must be a *kind*; a whole number is a float too."""
        value = self._get(key)
        return _typed(f"{self.where}: {key}", value, kind)

    def maybe(self, key: str, kind: type[_T]) -> _T | None:
        return None if self._get(key) is None else self.at(key, kind)

    def given(self, key: str, kind: type[_T], default: _T) -> _T:
        """As :meth:`at`; *default* where it is missing, as it is in a report that was written before there was one."""
        return self.at(key, kind) if key in self._value else default

    def under(self, key: str) -> _Place:
        return _Place(f"{self.where}: {key}", self._get(key))

    def each(self, key: str) -> list[_Place]:
        return [_Place(f"{self.where}: {key}[{i}]", one) for i, one in enumerate(self.at(key, list))]

    def many(self, key: str, kind: type[_T]) -> tuple[_T, ...]:
        return tuple(_typed(f"{self.where}: {key}[{i}]", one, kind) for i, one in enumerate(self.at(key, list)))

    def table(self, key: str, kind: type[_T]) -> dict[str, _T]:
        return {name: _typed(f"{self.where}: {key}.{name}", one, kind) for name, one in self.at(key, dict).items()}

    def _get(self, key: str) -> Any:
        if key not in self._value:
            raise Problem(f"{self.where}: {key} is missing")
        return self._value[key]


_ENDLESS = (float("inf"), float("-inf"))
_KINDS: Mapping[type, str] = {int: "a whole number", float: "a number", str: "text", list: "a list", dict: "an object"}


def _typed(where: str, value: Any, kind: type[_T]) -> _T:
    wanted: Any = (int, float) if kind is float else kind
    if not isinstance(value, wanted) or isinstance(value, bool) or value in _ENDLESS:
        raise Problem(f"{where}: must be {_KINDS[kind]}")
    convert: Callable[[Any], Any] = float if kind is float else lambda same: same
    result: _T = convert(value)
    return result


def _header(at: _Place) -> Header:
    machine = at.under("machine")
    return Header(
        date=at.at("date", str),
        quorate=at.at("quorate", str),
        commit=at.at("commit", str),
        machine=Machine(
            machine.at("cores", int), machine.at("memory", float), machine.at("kernel", str), machine.at("engine", str)
        ),
        versions=at.table("versions", str),
        topology=at.at("topology", str),
        agents=at.table("agents", str),
        seed=at.maybe("seed", int),
    )


def _entry(at: _Place) -> Entry:
    folder = at.at("folder", str)
    if PurePosixPath(folder).is_absolute() or ".." in PurePosixPath(folder).parts:
        raise Problem(f"{at.where}: folder: must lie inside the report")
    return Entry(
        name=at.at("name", str),
        about=at.at("about", str),
        folder=folder,
        began=at.at("began", str),
        seed=at.at("seed", int),
        fault=at.at("fault", str),
        injected=at.at("injected", str),
        nodes=at.many("nodes", str),
        value=_value(at, "value"),
        expect=_value(at, "expect"),
        trouble=at.at("trouble", str),
        marks=at.table("marks", float),
        detect=at.maybe("detect", float),
        one=at.maybe("one", float),
        whole=at.maybe("whole", float),
        verdicts=tuple(
            Verdict(
                one.at("checker", str),
                _value(one, "value"),
                one.at("words", str),
                one.at("figures", dict),
                one.many("offending", str),
            )
            for one in at.each("verdicts")
        ),
        loads=tuple(_load(one) for one in at.each("loads")),
        events=tuple(
            Moment(one.at("t", float), one.at("kind", str), one.at("node", str), one.at("text", str))
            for one in at.each("events")
        ),
        remade=at.given("remade", str, ""),
    )


def _value(at: _Place, key: str) -> str:
    value = at.at(key, str)
    try:
        return worst([value])
    except ValueError:
        raise Problem(f"{at.where}: {key}: must be valid, invalid or unknown") from None


def _load(at: _Place) -> Load:
    return Load(
        workload=at.at("workload", str),
        requests=at.at("requests", int),
        failed=at.at("failed", int),
        unknown=at.at("unknown", int),
        early=at.at("early", int),
        downtime=at.at("downtime", float),
        gap=at.at("gap", float),
        gap_at=at.at("gap_at", float),
        before=_part(at.under("before")),
        during=_part(at.under("during")),
        after=_part(at.under("after")),
    )


def _part(at: _Place) -> Part:
    return Part(at.at("ok", int), *(at.maybe(name, float) for name in ("p50", "p95", "p99")))
