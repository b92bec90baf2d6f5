"""``quorate cib``: from a topology file to a checked CIB."""

from __future__ import annotations

import json
from collections.abc import Callable

import click

from quorate.cib.build import build
from quorate.cib.files import write_whole
from quorate.cib.model import Cib
from quorate.cib.reader import read_topology
from quorate.cib.render_crm import render_crm
from quorate.cib.render_xml import render_cib
from quorate.cib.source import read_text
from quorate.cib.starter import starter
from quorate.cib.verify import verify
from quorate.lib.problem import Problem, Unavailable

FORMATS: dict[str, Callable[[Cib], str]] = {"xml": render_cib, "crm": render_crm}


@click.group()
def cib() -> None:
    """Generate and verify the cluster's configuration (CIB) from a topology file."""


@cib.command("init")
def init_command() -> None:
    """Print a commented starter topology that generates as it is.

    \b
    Example:
      quorate cib init > topology.yaml
    """
    click.echo(starter(), nl=False)


@cib.command("generate")
@click.argument("topology")
@click.option("-o", "--output", metavar="FILE", help="Write here instead of standard output, whole or not at all.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="xml", show_default=True)
@click.option("--services", metavar="A,B", help="Only these services of the topology.")
def generate_command(topology: str, output: str | None, form: str, services: str | None) -> None:
    """Render TOPOLOGY as a CIB: XML, or crmsh text. The same file gives the same bytes.

    \b
    Examples:
      quorate cib generate topology.yaml -o cib.xml && crm configure load xml replace cib.xml
      quorate cib generate topology.yaml --format crm -o cib.crm && crm configure load update cib.crm
      quorate cib generate topology.yaml --services galera,rabbitmq
    """
    read = read_topology(topology)
    _warn(read.warnings)
    if services is not None:
        read = read.only(name.strip() for name in services.split(","))
    text = FORMATS[form](build(read))
    if output is None or output == "-":
        click.echo(text, nl=False)
    else:
        write_whole(output, text)


@cib.command("verify")
@click.argument("file", metavar="TOPOLOGY|CIB")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON on standard output.")
def verify_command(file: str, as_json: bool) -> None:
    """Check a topology, or a CIB in XML, with Pacemaker's schema and crm_verify, which must keep silent.

    \b
    Examples:
      quorate cib verify topology.yaml
      cibadmin --query > now.xml && quorate cib verify now.xml --json

    \b
    Exit codes: 0 good; 1 crm_verify or the schema objects; 2 bad input; 3 crm_verify is not installed.
    """
    warnings: tuple[str, ...] = ()
    try:
        text = read_text(file)
        if not text.lstrip().startswith("<"):
            topology = read_topology(file)
            warnings = topology.warnings
            text = render_cib(build(topology))
        verify(text, file)
    except Problem as problem:
        if as_json:
            _print_verdict(file, problem, warnings)
        raise
    if as_json:
        _print_verdict(file, None, warnings)
    else:
        _warn(warnings)
        click.echo(f"{file}: good")


def _warn(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def _print_verdict(file: str, problem: Problem | None, warnings: tuple[str, ...]) -> None:
    # null: not known, because what would tell is not installed.
    valid = None if isinstance(problem, Unavailable) else problem is None
    verdict = {
        "file": file,
        "valid": valid,
        "problem": None if problem is None else str(problem),
        "warnings": list(warnings),
    }
    click.echo(json.dumps(verdict, indent=2))
