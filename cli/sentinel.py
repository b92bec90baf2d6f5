"""``quorate sentinel``: what the daemons that watch the services say."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quorate.cli.lab import NAME
from quorate.lab import engine, sentinels
from quorate.lab.cluster import open_lab
from quorate.lab.sentinels import Status
from quorate.lib.problem import Failed


@click.group()
def sentinel() -> None:
    """Ask the daemons that watch the services, and tell Pacemaker of a failure when it happens.

    On a node itself, `quorate-sentinel status` says the same of that node.

    \b
    Examples:
      quorate sentinel status
      quorate sentinel status --node n1 --json
    """


@sentinel.command()
@NAME
@click.option("--node", default="", help="Only this node's.  [default: every node's]")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for a program.")
def status(name: str, node: str, as_json: bool) -> int:
    """Show what is watched, in which state, when it was last looked at, and what was reported.

    Ends with 1 when a node's daemon does not answer.

    \b
    Examples:
      quorate sentinel status
      quorate sentinel status --node n1 --json
    """
    lab = open_lab(name, engine.connect())
    found: list[Status] = []
    silent: dict[str, str] = {}
    for each in [node] if node else lab.nodes:
        try:
            found.append(sentinels.status(lab, each))
        except Failed as failure:
            silent[each] = str(failure)
    if as_json:
        click.echo(json.dumps({"nodes": [asdict(one) for one in found], "silent": silent}, indent=2))
    else:
        console = Console(width=None if Console().is_terminal else 150)
        if found:
            console.print(table(found))
        for line in lines(found, time.time()):
            console.print(escape(line), highlight=False)
        for why in silent.values():
            console.print(f"[red]{escape(why)}", highlight=False)
    return 1 if silent else 0


def table(found: list[Status]) -> Table:
    """One row per watched instance."""
    grid = Table()
    for heading in ("node", "instance", "agent", "pid", "state", "misses", "last look", "reports", "seen"):
        right = heading in ("pid", "misses", "last look", "reports")
        grid.add_column(heading, justify="right" if right else "left")
    for one in found:
        for watch in one.watched:
            look = "-" if watch.last_look is None else f"{watch.last_look:.1f} s ago"
            agent = watch.agent or "(by pid file)"
            cells = (one.node, watch.instance, agent, watch.pid, watch.state, watch.misses, look, watch.reports)
            grid.add_row(*map(str, cells), escape(watch.seen))
        grid.add_section()
    return grid


def lines(found: list[Status], now: float) -> list[str]:
    """Each daemon in a line, and under it what it reported."""
    said = []
    for one in found:
        late = f", late {one.late} times" if one.late else ""
        hours = max(0.0, now - one.since) / 3600
        said.append(f"{one.node}: pid {one.pid}, for {hours:.1f} h{late}, {one.reported} failures reported")
        for told in one.reports:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(told.at))
            said.append(f"  {when} {told.instance}: {told.why}: {told.told}")
    return said
