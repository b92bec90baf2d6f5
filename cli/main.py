"""The ``quorate`` command: translates options, calls the libraries, prints. No logic lives here."""

from __future__ import annotations

import sys

import click
import docker.errors

import quorate
from quorate.cli.agent import agent
from quorate.cli.chaos import chaos
from quorate.cli.cib import cib
from quorate.cli.drill import bench, drill  # noqa: F401  (they add themselves to `quorate lab`)
from quorate.cli.lab import lab
from quorate.cli.measures import calm, idle_cost, reaction_  # noqa: F401  (these too)
from quorate.cli.sentinel import sentinel
from quorate.lib.problem import Problem, Unavailable

EXIT_CODES = """\b
Exit codes:
  0    done
  1    the input was good, but what was asked did not succeed
  2    bad input: an unknown option, key, value or file
  3    something the machine must have is missing or refuses
  130  interrupted
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(quorate.__version__, prog_name="quorate")
def quorate_command() -> None:
    """Keep an OpenStack-style control plane up under Pacemaker, and prove it.

    \b
    Examples:
      quorate cib init > topology.yaml
      quorate cib generate topology.yaml -o cib.xml
      quorate lab up
    """


quorate_command.add_command(agent)
quorate_command.add_command(chaos)
quorate_command.add_command(cib)
quorate_command.add_command(lab)
quorate_command.add_command(sentinel)


def main(argv: list[str] | None = None) -> None:
    """Entry point: run the command and turn a :class:`Problem` into one sentence and its exit code."""
    try:
        rc = quorate_command.main(args=argv, prog_name="quorate", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Problem as problem:
        click.echo(f"quorate: {problem}", err=True)
        sys.exit(problem.exit_code)
    except docker.errors.DockerException as error:
        # An engine that ends or restarts under a command.
        click.echo(f"quorate: the Docker engine: {' '.join(str(error).split())}", err=True)
        sys.exit(Unavailable.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("quorate: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    sys.exit(rc if isinstance(rc, int) else 0)
