"""A scenario in sentences: what broke, how the cluster took it, what clients saw, what was lost."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.lab.checker import VALID
from quorate.lab.report.model import Entry, Load, Report
from quorate.lab.report.words import count, listed, seconds


def headline(report: Report) -> str:
    """The whole report in one line."""
    return summed(report.entries)


def summed(entries: Sequence[Entry]) -> str:
    """All of *entries*, of which there is at least one, in one line."""
    if len(entries) == 1:
        (entry,) = entries
        return f"{entry.name} is {entry.value}, {'as expected' if entry.expected else f'{entry.expect} was expected'}."
    values = [entry.value for entry in entries]
    said = listed([f"{values.count(value)} {value}" for value in ("valid", "invalid", "unknown") if value in values])
    odd = sum(not entry.expected for entry in entries)
    expected = "all as expected" if not odd else f"{odd} not as expected"
    return f"{count(len(entries), 'scenario')}: {said}; {expected}."


def broke(entry: Entry) -> str:
    """What was done, and what was seen to have happened."""
    about = _sentence(entry.about)
    return f"{about} {_sentence(entry.injected)}" if entry.injected else f"{about} It was not seen to have happened."


def took(entry: Entry) -> str:
    """How the cluster came through."""
    steps = [
        f"{words} after {seconds(value)}"
        for words, value in (
            ("noticed", entry.detect),
            ("first instance back", entry.one),
            ("all whole again", entry.whole),
        )
        if value is not None
    ]
    if entry.whole is None and "fault" in entry.marks:
        steps.append("never seen whole again")
    return _sentence(", ".join(steps)) if steps else "The run ended before the fault."


def saw(entry: Entry) -> list[tuple[str, str]]:
    """What clients saw, the worst hit workload first: who, and what in words."""
    hit = sorted((load for load in entry.loads if load.bad), key=lambda load: (-load.gap, load.workload))
    spared = [load for load in entry.loads if not load.bad]
    lines = [(load.workload, _hit(load)) for load in hit]
    if spared:
        longest = max(spared, key=lambda load: load.gap)
        where = f" ({longest.workload})" if len(spared) > 1 else ""
        calm = f"no request failed, the longest time without a success was {seconds(longest.gap)}{where}"
        lines.append((listed([load.workload for load in spared]) if hit else "all", calm))
    if early := sum(load.early for load in entry.loads):
        lines.append(("before the fault", f"{count(early, 'request')} had failed already"))
    return lines or [("nobody", "there were no clients")]


def lost(entry: Entry) -> str:
    """What the checkers of data found, in their words when it is bad."""
    bad = [verdict for verdict in entry.verdicts if verdict.value != VALID]
    if bad:
        return " ".join(
            f"{verdict.checker} is {verdict.value}: {_sentence(verdict.words, capital=False)}" for verdict in bad
        )
    if entry.lost is None and entry.duplicated is None:
        return "No checker found a broken promise."
    return (
        f"{count(entry.lost or 0, 'item')} lost, {entry.duplicated or 0} duplicated; no checker found a broken promise."
    )


def _hit(load: Load) -> str:
    outcomes = [
        f"{number:,} {word}"
        for number, word in ((load.failed, "failed"), (load.unknown, "without an answer"))
        if number
    ]
    return (
        f"{listed(outcomes)} of {load.requests:,} requests, {seconds(load.downtime)} from first to last error, "
        f"{seconds(load.gap)} without a success"
    )


def _sentence(text: str, *, capital: bool = True) -> str:
    said = text.strip()
    if capital:
        said = said[:1].upper() + said[1:]
    return said if said.endswith((".", "!", "?")) else f"{said}."
