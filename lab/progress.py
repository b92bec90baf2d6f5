"""What a long step shows: one line per step with its elapsed seconds.

The libraries of the lab never print. They are handed a :class:`Progress`; the default shows nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class Progress:
    """Shows nothing: the null object that every function takes by default."""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Everything inside belongs to the step *title*."""
        yield

    def detail(self, text: str) -> None:
        """What the step is doing now, in a few words; replaces what was said before."""

    def note(self, text: str) -> None:
        """A line that stays, outside the timing of steps."""


class ConsoleProgress(Progress):
    """On a terminal: a spinner with the running seconds. Elsewhere: a plain line per finished step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._update: Callable[[str], None] = _nowhere

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        from rich.progress import Progress as Bar
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        begun = time.monotonic()
        outcome = "[red]failed[/red]"
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        live = self._console.is_terminal
        bar = Bar(*columns, console=self._console, transient=True, disable=not live)
        task = bar.add_task(_escape(title))
        outer = self._update
        self._update = lambda text: bar.update(task, description=f"{_escape(title)} [dim]{_escape(text)}[/dim]")
        if live:
            bar.start()
        try:
            yield
            outcome = "[green]done[/green]  "
        finally:
            if live:
                bar.stop()
            self._update = outer
            seconds = time.monotonic() - begun
            self._console.print(f"  {outcome}  {_escape(title)}  [dim]{seconds:.1f} s[/dim]", soft_wrap=True)

    def detail(self, text: str) -> None:
        self._update(text)

    def note(self, text: str) -> None:
        self._console.print(f"  [dim]{_escape(text)}[/dim]", soft_wrap=True)


def _nowhere(text: str) -> None:
    """Between two steps there is no line to change."""


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
