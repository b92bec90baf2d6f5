"""``quorate agent``: what the agents are, and running one of their actions by hand."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from quorate import __version__
from quorate.agents.registry import AGENTS, BY_NAME
from quorate.lib.agent import Agent
from quorate.lib.dispatch import call
from quorate.lib.host import RealHost
from quorate.lib.metadata import render
from quorate.lib.problem import Problem
from quorate.lib.rc import DEGRADED, SUCCESS


@click.group()
def agent() -> None:
    """The OCF resource agents: list them, read them, run an action by hand.

    \b
    Examples:
      quorate agent list
      quorate agent show rabbitmq
      quorate agent run keystone monitor --port 5000 --depth 10
    """


def _find(name: str) -> type[Agent]:
    if name not in BY_NAME:
        raise Problem(f"there is no agent '{name}': the agents are {', '.join(BY_NAME)}")
    return BY_NAME[name]


def _names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in BY_NAME if name.startswith(incomplete)]


@agent.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for a program.")
def list_agents(as_json: bool) -> None:
    """List the agents, a line each."""
    if as_json:
        click.echo(json.dumps([{"name": a.name, "shortdesc": a.shortdesc} for a in AGENTS], indent=2))
        return
    for each in AGENTS:
        click.echo(f"ocf:quorate:{each.name:<12} {each.shortdesc}")


@agent.command()
@click.argument("name", shell_complete=_names)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for a program.")
@click.option("--xml", type=click.Choice(["1.1", "1.0"]), help="The OCF metadata itself, in this API's form.")
def show(name: str, as_json: bool, xml: str | None) -> None:
    """Show an agent's parameters and actions.

    \b
    Examples:
      quorate agent show galera
      quorate agent show galera --xml 1.1
    """
    found = _find(name)
    if xml:
        click.echo(render(found, __version__, xml), nl=False)
    elif as_json:
        click.echo(json.dumps(_as_data(found), indent=2))
    else:
        click.echo(f"ocf:quorate:{found.name}: {found.shortdesc}\n\n{found.longdesc}\n\nParameters (* required):")
        for parameter in found.parameters:
            star = "*" if parameter.required else " "
            default = f" [{parameter.default}]" if parameter.default else ""
            click.echo(f" {star}{parameter.name} ({parameter.type}){default}\n      {parameter.longdesc}")
        click.echo("\nActions:")
        for action in found.actions:
            every = f", every {action.interval} s, check level {action.depth}" if action.interval else ""
            click.echo(f"  {action.name}: at least {action.timeout} s{every}")


def _as_data(found: type[Agent]) -> dict[str, Any]:
    return {
        "name": found.name,
        "shortdesc": found.shortdesc,
        "longdesc": found.longdesc,
        "parameters": [
            {key: getattr(p, key) for key in ("name", "type", "default", "required", "reloadable", "longdesc")}
            for p in found.parameters
        ],
        "actions": [{key: getattr(a, key) for key in ("name", "timeout", "interval", "depth")} for a in found.actions],
    }


def _flags(found: type[Agent], words: tuple[str, ...]) -> dict[str, str]:
    """``--port 5000`` or ``--port=5000`` as ``{"port": "5000"}``; dashes and underscores are the same."""
    known = {p.name.replace("_", "-"): p.name for p in found.parameters}
    given: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        flag, equals, value = word.removeprefix("--").partition("=")
        name = known.get(flag.replace("_", "-"))
        if not word.startswith("--") or name is None:
            raise Problem(f"agent {found.name} has no parameter '{word}': it has {', '.join(sorted(known))}")
        if not equals:
            if not rest:
                raise Problem(f"parameter {word} needs a value")
            value = rest.pop(0)
        given[name] = value
    return given


@agent.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": False},
    epilog="\b\nExit code: the action's own OCF code (0 success, 7 not running, 190 degraded ...).",
)
@click.argument("name", shell_complete=_names)
@click.argument("action")
@click.option("--instance", help="Name of the resource instance; the agent's name if not given.")
@click.option("--depth", type=click.IntRange(0), help="Check level of a monitor (OCF_CHECK_LEVEL).")
@click.option("--timeout", type=click.IntRange(1), metavar="SECONDS", help="The action's timeout.")
@click.option("--probe", is_flag=True, help="Monitor as Pacemaker's initial probe does.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for a program.")
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def run(
    name: str,
    action: str,
    instance: str | None,
    depth: int | None,
    timeout: int | None,
    probe: bool,
    as_json: bool,
    flags: tuple[str, ...],
) -> int:
    """Run ACTION of agent NAME on this machine, its parameters as flags; prints the code by name and the reason.

    \b
    Examples:
      quorate agent run keystone monitor
      quorate agent run keystone validate-all --port 5000 --config /etc/keystone/keystone.conf
      quorate agent run galera stop --timeout 60
    """
    found = _find(name)
    actions = sorted({each.name for each in found.actions} - {"meta-data"})
    if action not in actions:
        raise Problem(f"agent {name} has no action '{action}': it has {', '.join(actions)}")
    # The caller's own OCF variables would be parameters nobody sees on this command line.
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OCF_")}
    environ.update({f"OCF_RESKEY_{key}": value for key, value in _flags(found, flags).items()})
    environ["OCF_RESOURCE_INSTANCE"] = instance or name
    environ["OCF_RESKEY_CRM_meta_interval"] = "0" if probe else "10000"
    if timeout:
        environ["OCF_RESKEY_CRM_meta_timeout"] = str(timeout * 1000)
    if depth is not None:
        environ["OCF_CHECK_LEVEL"] = str(depth)
    rc, reason = call(found, action, environ, RealHost())
    if as_json:
        click.echo(json.dumps({"agent": name, "action": action, "rc": int(rc), "name": rc.name, "reason": reason}))
    else:
        colour = "green" if rc == SUCCESS else "yellow" if rc in (7, DEGRADED) else "red"
        click.secho(f"{rc.name} ({int(rc)})" + (f": {reason}" if reason else ""), fg=colour)
    return int(rc)
