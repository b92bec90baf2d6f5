"""``quorate chaos``: break a real cluster, and say what its clients saw and what was lost."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from quorate.cli.lab import NAME
from quorate.lab import engine, run, scenarios
from quorate.lab.cluster import open_lab
from quorate.lab.progress import ConsoleProgress


@click.group()
def chaos() -> None:
    """Break a real cluster, and say what its clients saw and what was lost.

    \b
    Examples:
      quorate chaos list
      quorate chaos run kill-galera --report out/
      quorate chaos compare out/a out/b
    """


@chaos.command(name="run")
@NAME
@click.argument("names", nargs=-1, required=True, metavar="SCENARIO...")
@click.option("--seed", type=int, default=None, help="Replay: the same seed chooses the same nodes.")
@click.option("--report", type=click.Path(path_type=Path, file_okay=False), required=True, help="The report's folder.")
def run_(name: str, names: tuple[str, ...], seed: int | None, report: Path) -> int:
    """Run scenarios against the running lab."""
    lab = open_lab(name, engine.connect())
    bad = 0
    for wanted in names:
        scenario = scenarios.find(wanted)
        outcome = run.run(scenario, lab, report / wanted, seed=seed, progress=ConsoleProgress(Console()))
        for verdict in outcome.verdicts:
            click.echo(f"{verdict.value:8} {verdict.checker}: {verdict.words} {dict(verdict.figures)}")
        bad += not outcome.expected
    return 1 if bad else 0
