"""Reads two reports' folders and puts them side by side; writes that as a page."""

from __future__ import annotations

from pathlib import Path

from quorate.lab.report import compare_page, comparison, model
from quorate.lab.report.comparison import Comparison


def compare(a: Path, b: Path) -> Comparison:
    """The reports in the folders *a* and *b* side by side. Raises :class:`quorate.lib.problem.Problem`."""
    return comparison.side_by_side(str(a), model.read_report(a), str(b), model.read_report(b))


def write_page(path: Path, both: Comparison) -> None:
    """Write *both* as one page. Raises :class:`quorate.lib.problem.Failed`."""
    model.put(path, compare_page.page(both))
