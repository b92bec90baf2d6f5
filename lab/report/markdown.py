"""A report as a table in Markdown (GitHub's), for documents that quote a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from quorate.lab.report import parts
from quorate.lab.report.model import Entry, Header, Report
from quorate.lab.report.words import NONE, seconds

MARKDOWN = "report.md"
"""What the file is called in a report's folder."""
_COLUMNS = (
    ("scenario", "---"),
    ("verdict", "---"),
    ("requests not ok", "--:"),
    ("longest time without a success", "--:"),
    ("whole again after (s)", "--:"),
    ("lost / duplicated", "--:"),
)
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&])")


def markdown(report: Report) -> str:
    """What ran and on what in one paragraph, then a row for each scenario. Ends with a line feed."""
    return "\n".join([_header(report.header), "", *_table(report.entries), *_remade(report.entries)]) + "\n"


def _header(header: Header) -> str:
    seed = NONE if header.seed is None else str(header.seed)
    said = {
        "date": header.date.replace("T", " ").replace("Z", " UTC"),
        "code": parts.code_version(header),
        "topology": header.topology,
        "seed": seed,
        **parts.machine(header),
        **header.versions,
    }
    return "; ".join(f"{term} {_text(value)}" for term, value in said.items()) + "."


def _table(entries: Iterable[Entry]) -> Iterator[str]:
    yield _line(heading for heading, _ in _COLUMNS)
    yield _line(rule for _, rule in _COLUMNS)
    for entry in entries:
        yield _line(_cells(entry))


def _cells(entry: Entry) -> Iterator[str]:
    worst = max(entry.loads, key=lambda load: load.gap, default=None)
    yield _text(entry.name)
    yield entry.value if entry.expected else f"**{entry.value}** ({entry.expect} was expected)"
    requests = sum(load.requests for load in entry.loads)
    yield f"{sum(load.bad for load in entry.loads):,} / {requests:,}" if requests else NONE
    yield f"{seconds(worst.gap)} ({_text(worst.workload)})" if worst else NONE
    yield NONE if entry.whole is None else f"{entry.whole:.1f}"
    yield f"{_count(entry.lost)} / {_count(entry.duplicated)}"


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def _remade(entries: Iterable[Entry]) -> Iterator[str]:
    names = [_text(entry.name) for entry in entries if entry.remade]
    if names:
        yield ""
        yield f"The lab was made anew before {', '.join(names)}."


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: str) -> str:
    """*value* on one line, with nothing in it that Markdown or HTML would take for its own."""
    plain = "".join(char if char.isprintable() else " " for char in value)
    return _SPECIAL.sub(r"\\\1", " ".join(plain.split()))
