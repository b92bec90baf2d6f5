"""A table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """*rows* under *headings*, the first column to the left, the others to the right; ends with a newline."""
    rules = ["---", *("---:" for _ in headings[1:])]
    lines = [headings, rules, *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
