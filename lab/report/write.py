"""From what ran to a report's folder, and from the folder to its page anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from quorate.lab.cluster import Lab
from quorate.lab.history import INJECTED, read_history
from quorate.lab.report import figures, header, model
from quorate.lab.report.html import Html
from quorate.lab.report.model import Entry, Header, Report
from quorate.lab.report.page import page, section
from quorate.lab.run import Outcome
from quorate.lib.problem import Problem

PAGE = "index.html"
HISTORY = "history.jsonl"


class Book:
    """The report of a run that is under way, in *folder*: report.json grows with every scenario, the page comes last.

    A run that is cut short leaves a report that can be read again and has all that it did. The page, which costs more
    with each scenario, is written once: on leaving the context, however it is left. *seen* is what is known already
    about the *lab*; else it is asked, after the first scenario.
    """

    def __init__(self, folder: Path, lab: Lab, seen: Header | None = None) -> None:
        self._folder = folder
        self._lab = lab
        self._header = seen
        self._entries: list[Entry] = []

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is in it so far."""
        return tuple(self._entries)

    def add(self, outcome: Outcome) -> Report:
        """Write report.json with *outcome*, which has just ended; all of it. Raises :class:`Failed`."""
        self._entries.append(entry(outcome, self._folder))
        if self._header is None or not self._header.versions:
            self._header = header.header(self._lab, [outcome])
        self._header = replace(self._header, seed=header.seed(self._entries))
        report = Report(self._header, self.entries)
        model.write_report(self._folder, report)
        return report

    def close(self) -> None:
        """Write the page, if anything ran. Raises :class:`Problem`."""
        if self._entries:
            rebuild(self._folder)

    def __enter__(self) -> Book:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Problem as trouble:
            if error is None:
                raise
            # Why the run ended is more than that there is no page of it.
            error.add_note(f"the page: {trouble}")


def rebuild(folder: Path) -> Report:
    """Make the page from report.json and the histories. Raises :class:`Problem` when they cannot be read."""
    report = model.read_report(folder)

    def sections() -> Iterator[Html]:
        # One history at a time is read: thirty of them need not fit into memory.
        for number, one in enumerate(report.entries, 1):
            path = folder / one.folder / HISTORY
            yield section(number, one, read_history(path) if path.exists() else None)

    model.put(folder / PAGE, page(report, sections()))
    return report


def entry(outcome: Outcome, folder: Path) -> Entry:
    """*outcome* as the report in *folder* keeps it."""
    scenario, seen = outcome.scenario, outcome.history
    injected = seen.mark(INJECTED)
    detail = injected.detail if injected else {}
    detect, one, whole = figures.recovery(seen)
    return Entry(
        name=scenario.name,
        about=scenario.about,
        folder=_inside(outcome.folder, folder),
        began=_utc(seen.header.get("wall", 0.0)),
        seed=outcome.seed,
        fault=scenario.fault.name,
        injected=str(detail.get("words", "")),
        nodes=tuple(str(node) for node in detail.get("nodes", ())),
        value=outcome.value,
        expect=scenario.expect,
        trouble=outcome.trouble,
        marks=figures.marks(seen),
        detect=detect,
        one=one,
        whole=whole,
        verdicts=outcome.verdicts,
        loads=tuple(figures.load(seen, name, outcome.verdicts) for name in seen.workloads),
        events=figures.moments(seen),
        remade=outcome.remade,
    )


def _inside(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise Problem(f"{path}: a scenario's folder must lie inside the report's, {folder}") from None


def _utc(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
