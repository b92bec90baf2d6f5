"""What the report's page and the page of a comparison share."""

from __future__ import annotations

from collections.abc import Mapping

from quorate.lab.checker import INVALID, UNKNOWN, VALID
from quorate.lab.report.html import Child, Html, join, tag
from quorate.lab.report.model import Header
from quorate.lab.report.style import STYLE

SYMBOLS = {VALID: "✓", INVALID: "✕", UNKNOWN: "?"}

_DEFS = tag(
    "svg",
    tag(
        "defs",
        tag(
            "pattern",
            tag("rect", width=4, height=4, fill="#efe9f7"),
            tag("path", d="M-1 1L1-1M0 4L4 0M3 5L5 3", stroke="#6f559b", stroke_width="1"),
            id="hatch",
            width=4,
            height=4,
            patternUnits="userSpaceOnUse",
        ),
        tag(
            "pattern",
            tag("rect", width=6, height=6, fill="#fff"),
            tag("path", d="M-1 1L1-1M0 6L6 0M5 7L7 5", stroke="#aab3bc", stroke_width="1"),
            id="gone",
            width=6,
            height=6,
            patternUnits="userSpaceOnUse",
        ),
    ),
    class_="defs",
)


def page(title: str, *body: Child) -> str:
    """A whole document that needs nothing from anywhere else."""
    return (
        "<!DOCTYPE html>\n"
        + tag(
            "html",
            "\n",
            tag(
                "head",
                tag("meta", charset="utf-8"),
                tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
                tag("title", title),
                tag("style", Html(STYLE)),
            ),
            "\n",
            tag("body", _DEFS, *body),
            "\n",
            lang="en",
        )
        + "\n"
    )


def chip(value: str) -> Html:
    """A verdict's value, as a symbol and a word."""
    return tag("span", f"{SYMBOLS[value]} {value}", class_=f"chip {value}")


def facts(pairs: Mapping[str, str]) -> Html:
    """Terms and what they are."""
    return tag("dl", *(join(tag("dt", term), tag("dd", said)) for term, said in pairs.items()))


def row(cells: Child, *, head: bool = False) -> Html:
    return join(tag("tr", cells), "\n") if not head else tag("thead", tag("tr", cells))


def code_version(header: Header) -> str:
    return f"quorate {header.quorate}{f' ({header.commit})' if header.commit else ''}"


def machine(header: Header) -> dict[str, str]:
    seen = header.machine
    return {
        "processor": f"{seen.cores} cores",
        "memory": f"{seen.memory:.1f} GiB",
        "kernel": seen.kernel,
        "engine": seen.engine,
    }
