"""What ``quorate chaos`` prints: the list, a line per scenario, the summary of a run, two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from quorate.lab.checker import INVALID, UNKNOWN, VALID
from quorate.lab.report import story
from quorate.lab.report.compare_page import compared, write
from quorate.lab.report.comparison import Comparison, Figure, all_failed, worst_gap
from quorate.lab.report.model import Entry, Load
from quorate.lab.report.words import NONE, seconds
from quorate.lab.report.write import entry as as_entry
from quorate.lab.run import Outcome

_STYLES = {VALID: "green", INVALID: "bold red", UNKNOWN: "bold yellow"}
_SYMBOLS = {VALID: "\u2713", INVALID: "\u2717", UNKNOWN: "?"}
_TENDENCY = {-1: "green", 0: "", 1: "red"}
_PLAIN = 150
"""Columns when the output is no terminal."""


def listing(console: Console, groups: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Names with a line each, under their headings."""
    wide = max((len(name) for lines in groups.values() for name, _ in lines), default=0)
    for number, (heading, lines) in enumerate(groups.items()):
        console.print(Text(f"{'' if number == 0 else chr(10)}{heading}", style="bold"))
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, min_width=wide)
        grid.add_column()
        for name, about in lines:
            grid.add_row(Text(f"  {name}"), Text(about))
        console.print(grid)


def one(console: Console, outcome: Outcome, number: int, total: int) -> None:
    """One scenario is over: its verdict, and what is not as expected."""
    seen = as_entry(outcome, outcome.folder)
    line = Text(f"{number}/{total} ") + Text(seen.name, style="bold") + Text(": ") + _verdict(seen)
    console.print(line + Text(f"  {story.took(seen)}", style="dim"), soft_wrap=True)
    for said in wrong(seen):
        console.print(Text(f"  {said}", style="red"), soft_wrap=True)


def summary(console: Console, entries: Sequence[Entry]) -> None:
    """All scenarios as a table, what is not as expected in words, and everything in one line."""
    if not entries:
        console.print("no scenario ran")
        return
    wide = console if console.is_terminal else Console(file=console.file, width=_PLAIN)
    wide.print(table(entries))
    for entry in entries:
        for said in wrong(entry):
            console.print(Text(f"{entry.name}: ", style="bold") + Text(said), soft_wrap=True)
    console.print(Text(story.summed(entries), style="bold"))


def table(entries: Sequence[Entry]) -> Table:
    """A row per scenario: the verdict, the times, and what its clients saw at worst."""
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    grid.add_column("scenario", no_wrap=True)
    grid.add_column("verdict", no_wrap=True)
    for heading in ("noticed", "one\nback", "all\nwhole", "requests\nnot ok", "longest\ngap"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("of")
    for heading in ("lost", "twice"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for entry in entries:
        worst = max(entry.loads, key=lambda load: load.gap, default=None)
        bad, requests = sum(load.bad for load in entry.loads), sum(load.requests for load in entry.loads)
        grid.add_row(
            Text(entry.name),
            _verdict(entry),
            *(Text(seconds(value)) for value in (entry.detect, entry.one, entry.whole)),
            Text(f"{bad:,} of {requests:,}" if requests else NONE, style="" if bad else "dim"),
            Text(seconds(worst.gap if worst else None), style=_gap_style(worst)),
            Text(worst.workload if worst else ""),
            *(_number(value) for value in (entry.lost, entry.duplicated)),
        )
    return grid


def wrong(entry: Entry) -> list[str]:
    """What keeps *entry* from what was expected, in words."""
    if entry.expected:
        return []
    said = [
        f"{verdict.checker} is {verdict.value}: {verdict.words}" for verdict in entry.verdicts if verdict.value != VALID
    ]
    if entry.trouble and not any(entry.trouble in line for line in said):
        said.insert(0, entry.trouble)
    return said or [f"it is {entry.value}, and {entry.expect} was expected"]


def comparison(console: Console, both: Comparison) -> None:
    """Two reports side by side: per scenario the verdicts, the main figures and their ratios."""
    console.print(Text(f"A: {both.a.folder}  ({_who(both.a.header.agents)}; {both.a.header.date})"), soft_wrap=True)
    console.print(Text(f"B: {both.b.folder}  ({_who(both.b.header.agents)}; {both.b.header.date})"), soft_wrap=True)
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for heading in ("scenario", "A", "B"):
        grid.add_column(heading, no_wrap=True)
    for heading in (
        "all whole\nA",
        "\nB",
        "\nB/A",
        "longest gap\nA",
        "\nB",
        "\nB/A",
        "not ok\nA",
        "\nB",
        "lost\nA",
        "\nB",
    ):
        grid.add_column(heading, justify="right", no_wrap=True)
    for pair in both.pairs:
        grid.add_row(
            Text(pair.name),
            _value(pair.a),
            _value(pair.b),
            *_three(pair.figure("all whole")),
            *_three(worst_gap(pair)),
            *_three(all_failed(pair))[:2],
            *_three(pair.figure("lost"))[:2],
        )
    if both.pairs:
        (console if console.is_terminal else Console(file=console.file, width=_PLAIN)).print(grid)
    else:
        console.print("they have no scenario in common")
    for letter, side in (("A", both.a), ("B", both.b)):
        if side.only:
            console.print(Text(f"only in {letter}: {', '.join(side.only)}"), soft_wrap=True)


def _who(agents: Mapping[str, str]) -> str:
    """The providers of the agents: what the reader wants to know first."""
    return escape(", ".join(sorted({agent.rpartition(":")[0] for agent in agents.values()})) or "agents unknown")


def _three(figure: Figure) -> list[Text]:
    return [
        Text(write(figure, figure.a)),
        Text(write(figure, figure.b)),
        Text(compared(figure), style=_TENDENCY[figure.tendency]),
    ]


def _verdict(entry: Entry) -> Text:
    return _value(entry.value) + Text("" if entry.expected else " (unexpected)", style="red")


def _value(value: str) -> Text:
    return Text(f"{_SYMBOLS[value]} {value}", style=_STYLES[value])


def _gap_style(worst: Load | None) -> str:
    return "dim" if worst is None or worst.gap < 1 else "yellow" if worst.gap < 5 else "red"


def _number(value: int | None) -> Text:
    return Text(NONE if value is None else f"{value:,}", style="" if value else "dim")
