"""Two reports as one page: an overview with bars, then every figure of every scenario."""

from __future__ import annotations

from quorate.lab.report import parts
from quorate.lab.report.comparison import COUNT, LATENCY, Comparison, Figure, Pair, Side, all_failed, worst_gap
from quorate.lab.report.html import Html, join, tag
from quorate.lab.report.words import NONE, count, latency, ratio, seconds

_WIDE = 150.0
_SIGNS = {-1: (" \u25be", "better"), 0: ("", None), 1: (" \u25b4", "worse")}


def page(both: Comparison) -> str:
    """The whole page."""
    return parts.page(
        f"Chaos: {both.a.folder} and {both.b.folder}",
        tag("h1", "Two chaos reports side by side", id="top"),
        tag(
            "p",
            f"{count(len(both.pairs), 'scenario')} in both. Ratios are of B to A: below 1 (\u25be) B took less time or "
            "failed less often, above 1 (\u25b4) more; differences that say nothing have no sign.",
            class_="lead",
        ),
        tag("div", _side("A", both.a), _side("B", both.b), class_="facts two"),
        *(_only(letter, side) for letter, side in (("A", both.a), ("B", both.b))),
        _overview(both) if both.pairs else None,
        *(_pair(number, pair) for number, pair in enumerate(both.pairs, 1)),
    )


def write(figure: Figure, value: float | None) -> str:
    """*value* as *figure* is written."""
    if value is None:
        return NONE
    if figure.unit == COUNT:
        return f"{value:,.0f}"
    return latency(value) if figure.unit == LATENCY else seconds(value)


def compared(figure: Figure) -> str:
    """The ratio of *figure*, or words where there is none."""
    if figure.a == figure.b == 0:
        return "="
    if figure.a == 0 and figure.b is not None:
        return "more"
    return ratio(figure.ratio)


def _side(letter: str, side: Side) -> Html:
    header = side.header
    said = {
        "date": header.date.replace("T", " ").replace("Z", " UTC"),
        "code": parts.code_version(header),
        "topology": header.topology,
        **header.agents,
        **parts.machine(header),
    }
    return tag("div", tag("h3", f"{letter}: {side.folder}"), parts.facts(said))


def _only(letter: str, side: Side) -> Html | None:
    return tag("p", f"Only in {letter} ({side.folder}): {', '.join(side.only)}.") if side.only else None


def _overview(both: Comparison) -> Html:
    wholes = [pair.figure("all whole") for pair in both.pairs]
    gaps = [worst_gap(pair) for pair in both.pairs]
    first = tag(
        "tr",
        tag("th", "", colspan="3"),
        tag("th", "until all whole", colspan="4", class_="c group"),
        tag("th", "longest gap of any workload", colspan="4", class_="c group"),
        tag("th", "requests not ok", colspan="2", class_="c group"),
        tag("th", "lost", colspan="2", class_="c group"),
    )
    heads = ["A", "B", "B/A", ""]
    second = tag(
        "tr",
        *(tag("th", head) for head in ("scenario", "A", "B")),
        *(tag("th", head, class_=_column(i)) for _ in range(2) for i, head in enumerate(heads)),
        *(tag("th", head, class_=_column(i)) for _ in range(2) for i, head in enumerate(heads[:2])),
    )
    rows = [
        join(
            tag(
                "tr",
                tag("td", tag("a", pair.name, href=f"#p{number}")),
                tag("td", parts.chip(pair.a)),
                tag("td", parts.chip(pair.b)),
                *_cells(wholes[number - 1], _longest(wholes)),
                *_cells(gaps[number - 1], _longest(gaps)),
                *_two(all_failed(pair)),
                *_two(pair.figure("lost")),
            ),
            "\n",
        )
        for number, pair in enumerate(both.pairs, 1)
    ]
    bars = join(_swatch("a"), " A ", _swatch("b"), " B")
    return join(
        tag("h2", "Overview"),
        tag("p", "Bars: ", bars, class_="dim"),
        tag("table", tag("thead", first, second), tag("tbody", *rows), class_="over"),
    )


def _column(number: int) -> str:
    return "n group" if number == 0 else "n"


def _longest(figures: list[Figure]) -> float:
    return max([0.1, *(value for one in figures for value in (one.a, one.b) if value is not None)])


def _cells(figure: Figure, longest: float) -> list[Html]:
    return [*_two(figure), _ratio(figure), tag("td", _bars(figure, longest))]


def _two(figure: Figure) -> list[Html]:
    return [
        tag("td", write(figure, value), class_=f"{_column(number)}{'' if value else ' zero'}")
        for number, value in enumerate((figure.a, figure.b))
    ]


def _ratio(figure: Figure) -> Html:
    sign, style = _SIGNS[figure.tendency]
    return tag("td", tag("span", compared(figure) + sign, class_=style), class_="n")


def _bars(figure: Figure, longest: float) -> Html:
    """Both values as bars, one under the other; on one scale in all of a column."""
    return tag(
        "svg",
        *(
            tag("rect", x=0, y=y, width=max(_WIDE * value / longest, 0.5), height=6, class_=side)
            for side, y, value in (("a", 1, figure.a), ("b", 9, figure.b))
            if value is not None
        ),
        viewBox=f"0 0 {_WIDE:.0f} 16",
        class_="pair",
    )


def _swatch(side: str) -> Html:
    return tag(
        "svg",
        tag("rect", x=0, y=2, width=12, height=6, class_=side),
        viewBox="0 0 14 10",
        class_="pair small",
        role="img",
    )


def _pair(number: int, pair: Pair) -> Html:
    rows = [
        tag(
            "tr",
            tag("td", figure.name),
            *(tag("td", write(figure, value), class_="n") for value in (figure.a, figure.b)),
            _ratio(figure),
        )
        for figure in pair.figures
    ]
    head = tag("tr", tag("th", "figure"), *(tag("th", words, class_="n") for words in ("A", "B", "B/A")))
    return tag(
        "section",
        "\n",
        tag(
            "header",
            tag("h2", pair.name),
            tag("span", "A ", parts.chip(pair.a)),
            tag("span", "B ", parts.chip(pair.b)),
            tag("a", "overview \u2191", href="#top", class_="top"),
        ),
        tag("table", tag("thead", head), tag("tbody", *rows), class_="narrow"),
        id=f"p{number}",
    )
