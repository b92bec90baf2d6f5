"""The report as one page that needs nothing else: no script, no network, no other file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from quorate.lab.checker import INVALID, SHOWN, VALID, Verdict
from quorate.lab.checkers.availability import Availability
from quorate.lab.history import History
from quorate.lab.report import parts, story
from quorate.lab.report.html import Child, Html, join, tag
from quorate.lab.report.model import Entry, Load, Part, Report
from quorate.lab.report.timeline import timeline
from quorate.lab.report.words import NONE, count, figures, latency, seconds, since

_HEAT = (0.5, 2.0, 5.0, 15.0)
"""Seconds without a success from which a cell of the overview is shaded, and more so at each further one."""


def page(report: Report, sections: Iterator[Html]) -> str:
    """The whole page; *sections* are those of the scenarios, in the report's order."""
    date = report.header.date.replace("T", " ").replace("Z", " UTC")
    title = report.entries[0].name if len(report.entries) == 1 else count(len(report.entries), "scenario")
    return parts.page(
        f"Chaos report: {title}, {date}",
        tag("h1", "Chaos report", id="top"),
        tag("p", f"{date} · {parts.code_version(report.header)}", class_="when"),
        tag("p", story.headline(report), class_="lead"),
        _odd(report),
        _facts(report),
        _overview(report),
        *sections,
    )


def _anchor(number: int, entry: Entry) -> str:
    return f"s{number}-{re.sub('[^a-z0-9]+', '-', entry.name.lower()).strip('-')}"


def _odd(report: Report) -> Html | None:
    """What is not as expected, at the very top."""
    rows = [
        tag(
            "li",
            tag("a", entry.name, href=f"#{_anchor(number, entry)}"),
            f" is {entry.value}, {entry.expect} was expected. {story.lost(entry)}",
        )
        for number, entry in enumerate(report.entries, 1)
        if not entry.expected
    ]
    return tag("ul", *rows) if rows else None


def _facts(report: Report) -> Html:
    header = report.header
    run = {"topology": header.topology, **header.agents}
    if header.seed is not None:
        run["seed"] = str(header.seed)
    return tag(
        "div",
        tag("div", tag("h3", "Agents"), parts.facts(run)),
        tag("div", tag("h3", "On the nodes"), parts.facts(header.versions)),
        tag("div", tag("h3", "Machine"), parts.facts(parts.machine(header))),
        class_="facts",
    )


# -- the overview ------------------------------------------------------------------------------------------


def _overview(report: Report) -> Html:
    workloads = report.workloads
    over = tag(
        "tr",
        tag("th", "", colspan="2"),
        _span("time until", 3),
        _span("requests not ok, longest gap" if len(workloads) > 2 else "not ok, gap", len(workloads)),
        tag("th", "", colspan="2"),
    )
    head = tag(
        "tr",
        tag("th", "scenario"),
        tag("th", "verdict"),
        *(tag("th", words, class_="n") for words in ("noticed", "one back", "all whole")),
        *(tag("th", name, class_="n load") for name in workloads),
        tag("th", "lost", class_="n"),
        tag("th", "twice", class_="n"),
    )
    rows = [_row(number, entry, workloads) for number, entry in enumerate(report.entries, 1)]
    return join(
        tag("h2", "Overview"),
        tag(
            "p",
            "Times count from the fault. Under each workload: requests that failed or had no answer, and below it the "
            "longest gap between two successes, shaded from half a second on.",
            class_="dim",
        ),
        tag(
            "table",
            tag("thead", over, head),
            tag("tbody", *rows),
            class_="over" if len(workloads) > 4 else "over narrow",
        ),
    )


def _span(words: str, columns: int) -> Html | None:
    return tag("th", words, colspan=str(columns), class_="c span") if columns else None


def _row(number: int, entry: Entry, workloads: tuple[str, ...]) -> Html:
    loads = {load.workload: load for load in entry.loads}
    verdict: list[Child] = [parts.chip(entry.value)]
    if not entry.expected:
        verdict += [tag("br"), tag("span", f"expected {entry.expect}", class_="odd")]
    return join(
        tag(
            "tr",
            tag("td", tag("a", entry.name, href=f"#{_anchor(number, entry)}")),
            tag("td", *verdict),
            *(tag("td", seconds(value), class_="n") for value in (entry.detect, entry.one, entry.whole)),
            *(_cell(loads.get(name)) for name in workloads),
            _number(entry.lost, alarm=True),
            # Most queues promise to deliver at least once: whether twice is too often, the verdict says.
            _number(entry.duplicated, alarm=entry.value == INVALID),
        ),
        "\n",
    )


def _cell(load: Load | None) -> Html:
    if load is None:
        return tag("td", NONE, class_="n zero")
    heat = sum(load.gap >= step for step in _HEAT)
    bad: Child = f"{load.bad:,}" if load.bad else tag("span", "0", class_="zero")
    return tag("td", bad, tag("small", seconds(load.gap)), class_=f"n h{heat}")


def _number(value: int | None, *, alarm: bool) -> Html:
    if not value:
        return tag("td", NONE if value is None else "0", class_="n zero")
    return tag("td", tag("b", f"{value:,}", class_="odd") if alarm else f"{value:,}", class_="n")


# -- one scenario ------------------------------------------------------------------------------------------


def section(number: int, entry: Entry, history: History | None) -> Html:
    """The part of the page about *entry*; without its *history* there is no picture, and the page says so."""
    expected = (
        tag("span", "as expected", class_="dim")
        if entry.expected
        else tag("span", f"{entry.expect} was expected", class_="odd")
    )
    return tag(
        "section",
        "\n",
        tag(
            "header",
            tag("h2", entry.name),
            parts.chip(entry.value),
            expected,
            tag("a", "overview ↑", href="#top", class_="top"),
        ),
        tag("p", entry.trouble, class_="trouble") if entry.trouble else None,
        tag("p", f"The lab was made anew before this: {entry.remade}", class_="dim") if entry.remade else None,
        tag(
            "dl",
            *(
                join(tag("dt", term), tag("dd", said))
                for term, said in (
                    ("what broke", story.broke(entry)),
                    ("the cluster", story.took(entry)),
                    ("clients", tag("ul", *(tag("li", tag("b", who), f": {said}") for who, said in story.saw(entry)))),
                    ("data and promises", story.lost(entry)),
                )
            ),
            class_="story",
        ),
        _offending(entry),
        _picture(entry, history),
        _loads(entry),
        _verdicts(entry),
        _events(entry),
        _files(entry),
        id=_anchor(number, entry),
    )


def _offending(entry: Entry) -> Html | None:
    blocks = [
        tag(
            "details",
            tag("summary", _quoted(verdict)),
            tag("ol", *(tag("li", tag("code", said)) for said in verdict.offending)),
        )
        for verdict in entry.verdicts
        if verdict.offending
    ]
    return join(*blocks) if blocks else None


def _quoted(verdict: Verdict) -> str:
    number = len(verdict.offending)
    first = f"the first {number}" if number == SHOWN else f"{number}"
    what = "that failed" if verdict.value == VALID else "that show it"
    return f"{verdict.checker}: {first} {'operation' if number == 1 else 'operations'} {what}"


def _picture(entry: Entry, history: History | None) -> Html:
    drawn = timeline(entry, history) if history else None
    if drawn is None:
        why = "nothing happened in this run." if history else "its history is not in the report's folder."
        return tag("p", f"There is no picture: {why}", class_="dim")
    return tag("figure", tag("figcaption", *_legend(entry)), "\n", drawn)


def _legend(entry: Entry) -> Iterator[Html]:
    def swatch(*inside: Html) -> Html:
        return tag("svg", *inside, viewBox="0 0 18 12")

    box = "M1 1h16v10h-16z"
    yield tag("span", swatch(tag("path", d="M1 3h4v9h-4zM7 1h4v11h-4zM13 4h4v8h-4z", class_="ok")), "answered")
    yield tag("span", swatch(tag("path", d="M1 0h4v6h-4zM7 0h4v10h-4zM13 0h4v4h-4z", class_="failed")), "failed")
    yield tag("span", swatch(tag("path", d=box, class_="unknown")), "no answer, may have been done")
    yield tag("span", swatch(tag("path", d="M0 9L5 8L9 2L13 8L18 9", class_="latency")), "slowest request (log scale)")
    yield tag("span", swatch(tag("path", d=box, class_="broken")), "fault lasts")
    yield tag("span", swatch(tag("path", d=box, class_="mending")), "until whole again")
    if any(event.kind == "membership-lost" for event in entry.events):
        yield tag("span", swatch(tag("path", d=box, class_="away")), "not a member")
    yield tag("span", "Point at a bar or a symbol to read what it is.")


def _loads(entry: Entry) -> Html | None:
    if not entry.loads:
        return None
    heads = ("requests", "failed", "no answer", "first to last error", "longest gap")
    head = tag(
        "thead",
        tag(
            "tr",
            tag("th", "workload"),
            *(tag("th", head, class_="n") for head in heads),
            *(
                tag("th", part, tag("br"), "p50 · p95 · p99", colspan="3", class_="c group")
                for part in ("before the fault", "until whole", "afterwards")
            ),
        ),
    )
    rows = [
        tag(
            "tr",
            tag("td", load.workload),
            *(tag("td", f"{value:,}", class_="n") for value in (load.requests, load.failed, load.unknown)),
            tag("td", seconds(load.downtime) if load.bad else NONE, class_="n"),
            tag("td", seconds(load.gap), class_="n"),
            *(_latencies(part) for part in (load.before, load.during, load.after)),
        )
        for load in entry.loads
    ]
    return join(tag("h3", "What the clients saw"), tag("table", head, tag("tbody", *rows), class_="loads"))


def _latencies(part: Part) -> Html:
    first, *others = (latency(value) for value in (part.p50, part.p95, part.p99))
    return join(tag("td", first, class_="n group"), *(tag("td", said, class_="n") for said in others))


def _verdicts(entry: Entry) -> Html | None:
    # Their figures are the table of what the clients saw.
    told = {Availability(load.workload).name for load in entry.loads}
    rows = [
        tag(
            "tr",
            tag("td", parts.chip(verdict.value)),
            tag("td", verdict.checker),
            tag("td", verdict.words),
            tag("td", None if verdict.checker in told else figures(verdict.figures)),
        )
        for verdict in entry.verdicts
    ]
    if not rows:
        return None
    head = tag("tr", *(tag("th", head) for head in ("verdict", "checker", "in words", "figures")))
    return join(tag("h3", "Verdicts"), tag("table", tag("thead", head), tag("tbody", *rows), class_="words"))


def _events(entry: Entry) -> Html | None:
    if not entry.events:
        return None
    zero = entry.marks.get("fault", 0.0)
    rows = [
        tag(
            "tr",
            tag("td", since(event.t - zero), class_="n"),
            tag("td", event.node or "cluster"),
            tag("td", event.kind),
            tag("td", event.text),
        )
        for event in entry.events
    ]
    return tag(
        "details",
        tag("summary", f"What the cluster did: {count(len(entry.events), 'event')}"),
        tag("table", tag("tbody", *rows)),
    )


def _files(entry: Entry) -> Html:
    links: list[Child] = []
    for said, name in (
        ("history", "history.jsonl"),
        ("CIB before", "cib-before.xml"),
        ("CIB after", "cib-after.xml"),
        ("logs", "logs/"),
    ):
        links += [tag("a", said, href=f"{entry.folder}/{name}"), " · "]
    return tag(
        "p", *links, f"began {entry.began} · fault {entry.fault} · replay with --seed {entry.seed}", class_="files"
    )
