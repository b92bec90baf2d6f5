"""``quorate lab reaction``, ``calm`` and ``idle-cost``: what the sentinel does, and what polling does, as tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from quorate.cli.lab import NAME, lab
from quorate.lab import calm as calms
from quorate.lab import engine, idle, markdown, reaction, sentinels
from quorate.lab.cluster import open_lab
from quorate.lab.progress import ConsoleProgress
from quorate.lib.problem import Problem

SENTINEL = click.option(
    "--sentinel", is_flag=True, help="Load the sentinel's topology for the measurement, and take it back."
)
MARKDOWN = click.option(
    "--markdown", "into", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Also as Markdown."
)
JSON = click.option("--json", "as_json", is_flag=True, help="As JSON, for a program.")


@lab.command(name="reaction")
@NAME
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Deaths of each service.")
@SENTINEL
@click.option("--stop", is_flag=True, help="SIGSTOP instead of SIGKILL.")
@click.option("--services", default="", metavar="A,B", help="Only these.  [default: all five; haproxy is known too]")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides at which moments they die.")
@click.option("--label", default="", help="What to call it beside others.  [default: sentinel, or polling]")
@click.option("--save", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Keep it, for --beside.")
@click.option(
    "--beside",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Put a kept measurement beside it; can be repeated.",
)
@MARKDOWN
@JSON
def reaction_(
    name: str,
    rounds: int,
    sentinel: bool,
    stop: bool,
    services: str,
    seed: int,
    label: str,
    save: Path | None,
    beside: tuple[Path, ...],
    into: Path | None,
    as_json: bool,
) -> int:
    """Kill each service again and again, nodes in turn; print how soon Pacemaker acts, and all is healthy.

    Counted from the moment the last process is gone (with --stop: from the signal) to the first action in
    Pacemaker's own log, and until the service is started and answers. A death that nobody notices ends it with 1.

    \b
    Examples:
      quorate lab reaction --rounds 20 --sentinel --save out/sentinel.json
      quorate lab reaction --stop --services galera,keystone
      quorate lab reaction --name rival --beside out/sentinel.json --markdown out/reaction.md
    """
    others = [reaction.load(path) for path in beside]
    opened = open_lab(name, engine.connect())
    signal = "STOP" if stop else "KILL"
    if any(each.signal != signal for each in others):
        raise Problem("only measurements with the same signal can stand beside each other")
    wanted = tuple(filter(None, (word.strip() for word in services.split(","))))
    reaction.chosen(opened, wanted)
    settings = reaction.Settings(rounds, stop, wanted, seed=seed)
    progress = ConsoleProgress(Console(stderr=as_json))
    with sentinels.measuring(opened, sentinel, progress):
        watched = sentinels.runs_in(opened)
        seen = reaction.measure(opened, settings, progress)
    column = reaction.Column(label or ("sentinel" if watched else "polling"), signal, tuple(seen))
    if save is not None:
        reaction.save(save, column)
    summaries = reaction.summarize(seen)
    if others:
        headings, cells = reaction.side_by_side([*others, column])
    else:
        headings, cells = list(reaction.HEADINGS), reaction.rows(summaries)
    if as_json:
        click.echo(json.dumps({**asdict(column), "summaries": [asdict(one) for one in summaries]}, indent=2))
    show(f"SIG{signal}: {column.label}", headings, cells, into, quiet=as_json)
    return 0


@lab.command()
@NAME
@SENTINEL
@click.option("--scale", type=float, default=1.0, show_default=True, help="How much of it: 0.01 takes minutes.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides what is stopped where.")
@MARKDOWN
@JSON
def calm(name: str, sentinel: bool, scale: float, seed: int, into: Path | None, as_json: bool) -> int:
    """Load, freeze, restart and stop by plan, and count the failures that are reported though nothing failed.

    An hour with saturated processors, ten pauses of a node with fencing off, 200 planned stops and starts, a rolling
    restart, and with a sentinel its own kill -9 every 20 s for ten minutes; light clients run meanwhile. About two
    and a half hours. Ends with 1 when a failure was reported.

    \b
    Examples:
      quorate lab calm --sentinel --scale 0.01
      quorate lab calm --sentinel --markdown out/calm.md
    """
    if not scale > 0:
        raise Problem(f"--scale {scale:g}: it has to be more than nothing")
    opened = open_lab(name, engine.connect())
    console = Console(stderr=as_json)
    progress = ConsoleProgress(console)
    with sentinels.measuring(opened, sentinel, progress):
        results = calms.measure(
            opened, calms.Settings(seed=seed).scaled(scale), progress, done=lambda one: _tell(console, one)
        )
    if as_json:
        click.echo(json.dumps([asdict(one) for one in results], indent=2))
    show("Nothing failed", calms.HEADINGS, calms.rows(results), into, quiet=as_json)
    return 1 if any(one.alarms for one in results) else 0


def _tell(console: Console, one: calms.Result) -> None:
    for title, said in (("false report", one.alarms), ("failure", one.troubles), ("fail count", one.fail_counts)):
        for line in said:
            console.print(f"  {title}: {line}", markup=False, highlight=False)


@lab.command(name="idle-cost")
@NAME
@click.option("--seconds", type=click.FloatRange(1), default=600.0, show_default=True, help="How long to look.")
@SENTINEL
@MARKDOWN
@JSON
def idle_cost(name: str, seconds: float, sentinel: bool, into: Path | None, as_json: bool) -> int:
    """Measure the CPU of each node while nobody asks anything of the services, everything counted.

    \b
    Examples:
      quorate lab idle-cost
      quorate lab idle-cost --sentinel --seconds 60
    """
    opened = open_lab(name, engine.connect())
    progress = ConsoleProgress(Console(stderr=as_json))
    with sentinels.measuring(opened, sentinel, progress):
        costs = idle.measure(opened, seconds, progress)
    if as_json:
        click.echo(json.dumps([asdict(cost) for cost in costs], indent=2))
    show(f"{seconds:.0f} idle seconds", idle.HEADINGS, idle.rows(costs), into, quiet=as_json)
    return 0


def show(
    title: str, headings: Sequence[str], cells: Sequence[Sequence[str]], into: Path | None, *, quiet: bool
) -> None:
    """A table on the terminal unless *quiet*, and as Markdown in the file *into*."""
    if not quiet:
        grid = Table(title=title)
        for number, heading in enumerate(headings):
            grid.add_column(heading, justify="right" if number else "left")
        for line in cells:
            grid.add_row(*line)
        Console(width=None if Console().is_terminal else 150).print(grid)
    if into is not None:
        into.parent.mkdir(parents=True, exist_ok=True)
        into.write_text(f"{title}\n\n{markdown.table(headings, cells)}", encoding="utf-8")
