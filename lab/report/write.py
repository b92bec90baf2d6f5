"""From what ran to a report's folder, and from the folder to its page anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from quorate.lab.cluster import Lab
from quorate.lab.history import INJECTED, History, read_history
from quorate.lab.report import figures, header, model
from quorate.lab.report.html import Html
from quorate.lab.report.model import Entry, Header, Report
from quorate.lab.report.page import page, section
from quorate.lab.run import Outcome
from quorate.lib.problem import Problem

PAGE = "index.html"
HISTORY = "history.jsonl"


def write(folder: Path, lab: Lab, outcomes: Sequence[Outcome]) -> Report:
    """Write the report of *outcomes*, which ran against *lab*, into *folder*. May be called again as more have run.

    The lab is asked for its versions once: a report that is in *folder* already is of the same run.
    Raises :class:`quorate.lib.problem.Failed` when a file cannot be written.
    """
    seen = model.read_report(folder).header if (folder / model.FILE).exists() else None
    if seen is None or not seen.versions:
        seen = header.header(lab, outcomes)
    return save(folder, replace(seen, seed=header.seed(outcomes)), outcomes)


def save(folder: Path, seen: Header, outcomes: Sequence[Outcome]) -> Report:
    """Write report.json and the page."""
    report = Report(seen, tuple(entry(outcome, folder) for outcome in outcomes))
    model.write_report(folder, report)
    _write_page(folder, report, [outcome.history for outcome in outcomes])
    return report


def rebuild(folder: Path) -> Report:
    """Make the page anew from report.json and the histories. Raises :class:`Problem` when they cannot be read."""
    report = model.read_report(folder)
    _write_page(folder, report, [None] * len(report.entries))
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
    )


def _inside(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise Problem(f"{path}: a scenario's folder must lie inside the report's, {folder}") from None


def _utc(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_page(folder: Path, report: Report, histories: Sequence[History | None]) -> None:
    """One history at a time is read: thirty of them need not fit into memory."""

    def sections() -> Iterator[Html]:
        for number, (one, history) in enumerate(zip(report.entries, histories, strict=True), 1):
            path = folder / one.folder / HISTORY
            yield section(number, one, history or (read_history(path) if path.exists() else None))

    model.put(folder / PAGE, page(report, sections()))
