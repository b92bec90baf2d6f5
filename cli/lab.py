"""``quorate lab``: the cluster in Docker, from the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from quorate.lab import apt, bringup, collect, containers, engine, layout, paths
from quorate.lab.cluster import Lab, open_lab
from quorate.lab.progress import ConsoleProgress
from quorate.lab.status import status as look

NAME = click.option(
    "--name", default=layout.DEFAULT_NAME, show_default=True, envvar="QUORATE_LAB", help="The lab's name."
)


@click.group()
def lab() -> None:
    """Run a real cluster in Docker: three nodes, real services, real fencing.

    \b
    Examples:
      quorate lab up
      quorate lab exec n1 -- crm_mon -1
      quorate lab up --name second --subnet 172.30.78.0/24
      quorate lab collect -o report.tar.gz
      quorate lab down
    """


@lab.command()
@NAME
@click.option(
    "--topology",
    type=click.Path(path_type=Path),
    default=None,
    help="The topology file.  [default: the one that comes with the lab]",
)
@click.option("--subnet", default=None, metavar="CIDR", help="Move the nodes' addresses to this /24.")
@click.option("--release", default=apt.DEFAULT_RELEASE, show_default=True, help="The Debian release of the nodes.")
@click.option("--bare", is_flag=True, help="Stop when the nodes have formed a cluster, with an empty CIB.")
def up(name: str, topology: Path | None, subnet: str | None, release: int, bare: bool) -> None:
    """Make the lab exist and be healthy. Fast when it is already.

    \b
    Examples:
      quorate lab up
      quorate lab up --topology mine.yaml
      quorate lab up --name second --subnet 172.30.78.0/24
    """
    apt.suite_of(release)
    source = topology or paths.DEFAULT_TOPOLOGY
    text = layout.topology_text(source, subnet)
    opened = open_lab(name, engine.connect(), source, subnet)
    fresh = bringup.up(opened, release, text, ConsoleProgress(Console()), bare=bare)
    click.echo(f"lab {name!r} is up{'' if fresh else ' (it was already)'}: {', '.join(_where(opened))}")


@lab.command()
@NAME
@click.option("--images", is_flag=True, help="Remove the images too, unless another lab uses them.")
def down(name: str, images: bool) -> None:
    """Remove the lab: containers, network, secrets. The images stay for the next `up`.

    \b
    Examples:
      quorate lab down
      quorate lab down --name second --images
    """
    existed = bringup.down(name, engine.connect(), ConsoleProgress(Console()), with_images=images)
    click.echo(f"lab {name!r} is gone" if existed else f"there was no lab {name!r}")


@lab.command()
@NAME
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(name: str, as_json: bool) -> None:
    """Show nodes, resources, and what is missing. Exit code 1 when something is.

    \b
    Examples:
      quorate lab status
      quorate lab status --json
    """
    seen = look(_open(name))
    if as_json:
        click.echo(json.dumps(seen.as_json(), indent=2))
    else:
        for node in seen.nodes:
            click.echo(
                f"{node.name:<10} {node.address:<16} power {node.power:<4} {'online' if node.online else 'OFFLINE'}"
            )
        for resource, where in seen.resources:
            click.echo(f"{resource:<27} {' '.join(where) or '(nowhere)'}")
        for failure in seen.failures:
            click.echo(f"failed once: {failure}")
        for phrase in seen.missing:
            click.echo(f"missing: {phrase}")
        click.echo("healthy" if seen.healthy else "NOT healthy")
    sys.exit(0 if seen.healthy else 1)


@lab.command(name="exec", context_settings={"ignore_unknown_options": True})
@NAME
@click.option("--timeout", default=60.0, show_default=True, help="Seconds after which the command is killed.")
@click.option("-i", "--stdin", "piped", is_flag=True, help="Give the command our standard input, to its end.")
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(name: str, timeout: float, piped: bool, node: str, command: tuple[str, ...]) -> None:
    """Run COMMAND on NODE; its output and exit code become ours.

    \b
    Examples:
      quorate lab exec n1 -- crm_mon -1
      quorate lab exec --timeout 5 n2 -- rabbitmqctl cluster_status
      quorate lab exec -i n1 -- mariadb < statements.sql
    """
    data = sys.stdin.buffer.read() if piped else None
    result = _open(name).exec(node, command, timeout=timeout, check=False, stdin=data)
    click.echo(result.out, nl=False)
    click.echo(result.err, nl=False, err=True)
    sys.exit(result.rc if 0 <= result.rc < 256 else 1)


@lab.command()
@NAME
@click.argument("node", default="")
def shell(name: str, node: str) -> None:
    """Open a shell on NODE (the first one by default).

    \b
    Examples:
      quorate lab shell n2
    """
    from quorate.lab.terminal import interactive

    opened = _open(name)
    sys.exit(interactive(opened, node or opened.nodes[0], ["bash", "-l"]))


@lab.command()
@NAME
@click.argument("node", default="")
@click.option("-n", "--lines", default=50, show_default=True, help="How many lines of each log.")
@click.option("--service", default="pacemaker", show_default=True, help="pacemaker, corosync, boot, mysql, nova, …")
def logs(name: str, node: str, lines: int, service: str) -> None:
    """Show the last log lines of NODE, or of every node.

    \b
    Examples:
      quorate lab logs n1
      quorate lab logs --service rabbitmq -n 20
    """
    opened = _open(name)
    for each in [node] if node else opened.nodes:
        for line in collect.tail(opened, each, service, lines):
            click.echo(f"{each}: {line}")


@lab.command(name="collect")
@NAME
@click.option("-o", "--output", type=click.Path(path_type=Path), default=None, help="A new folder, or a .tar.gz.")
def collect_(name: str, output: Path | None) -> None:
    """Gather logs, the CIB and the state of every node, without any secret.

    \b
    Examples:
      quorate lab collect -o report.tar.gz
    """
    target = output or Path(f"quorate-{name}.tar.gz")
    click.echo(collect.collect(_open(name), target, ConsoleProgress(Console())))


@lab.command(name="list")
def list_() -> None:
    """List the labs that exist here."""
    for name in containers.names(engine.connect()):
        click.echo(name)


def _open(name: str) -> Lab:
    return open_lab(name, engine.connect())


def _where(opened: Lab) -> list[str]:
    return [f"{node} {opened.address(node)}" for node in opened.nodes]
