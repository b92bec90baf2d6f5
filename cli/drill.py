"""``quorate lab drill`` and ``quorate lab bench``: what is measured in a running lab, as tables."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from quorate.cli.lab import NAME, lab
from quorate.lab import bench as benches
from quorate.lab import drill as drills
from quorate.lab import engine
from quorate.lab.cluster import open_lab
from quorate.lab.drill import Outcome, Seen
from quorate.lab.progress import ConsoleProgress
from quorate.lab.workloads.probes import RATE


@lab.command()
@NAME
@click.option("--node", default="", help="The node that is hurt.  [default: the first]")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for a program.")
def drill(name: str, node: str, as_json: bool) -> int:
    """Kill each service on one node, then the node, with clients running; print what they saw.

    Ends with 1 when a request to an API failed that was not in flight at a kill.

    \b
    Examples:
      quorate lab drill
      quorate lab drill --node n3 --json
    """
    opened = open_lab(name, engine.connect())
    outcomes = drills.run(opened, ConsoleProgress(Console(stderr=as_json)), node)
    broken = [line for outcome in outcomes for line in outcome.broken()]
    if as_json:
        click.echo(json.dumps({"outcomes": [asdict(o) for o in outcomes], "broken": broken}, indent=2))
    else:
        console = Console(width=None if Console().is_terminal else 150)
        console.print(table(outcomes))
        console.print(
            "requests / failed (of these in flight at the fault) / longest time without a success; "
            f"clients at {RATE:.0f} requests/s each on all three nodes"
        )
        for line in broken:
            console.print(f"[red]{line}")
    return 1 if broken else 0


def table(outcomes: list[Outcome]) -> Table:
    """One row per fault: when all was healthy again, and what the clients of each service saw."""
    grid = Table(title="Drill")
    grid.add_column("fault")
    grid.add_column("all healthy\nagain after", justify="right")
    for service in outcomes[0].seen:
        grid.add_column(service, justify="right")
    for outcome in outcomes:
        cells = [_cell(seen) for seen in outcome.seen.values()]
        grid.add_row(f"{outcome.fault} on {outcome.node}", f"{outcome.healthy:.1f} s", *cells)
    return grid


def _cell(seen: Seen) -> str:
    failed = f"{seen.failed} ({seen.in_flight})" if seen.failed else "0"
    return f"{seen.requests} / {failed} / {seen.gap:.2f} s"


@lab.command()
@NAME
@click.option("--json", "as_json", is_flag=True, help="As JSON, for a program.")
def bench(name: str, as_json: bool) -> int:
    """Measure the CPU of meta-data and monitors, as multiples of a bare interpreter start.

    Ends with 1 when an action costs more than the project promises.

    \b
    Examples:
      quorate lab bench
      quorate lab bench --json
    """
    opened = open_lab(name, engine.connect())
    costs = benches.run(opened, ConsoleProgress(Console(stderr=as_json)))
    if as_json:
        click.echo(json.dumps([asdict(cost) for cost in costs], indent=2))
    else:
        grid = Table(title=f"CPU of one call, beside `{' '.join(benches.BARE)}`")
        for heading in ("action", "CPU ms", "bare start ms", "ratio", "promised"):
            grid.add_column(heading, justify="left" if heading == "action" else "right")
        for cost in costs:
            promised = f"<= {cost.limit:.0f}{'' if cost.kept else '  BROKEN'}" if cost.limit else ""
            grid.add_row(cost.what, f"{cost.ms:.1f}", f"{cost.bare_ms:.1f}", f"{cost.ratio:.2f}", promised)
        Console(width=None if Console().is_terminal else 120).print(grid)
    return 0 if all(cost.kept for cost in costs) else 1
