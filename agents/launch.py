"""The entry of every installed agent: the name it was called under decides which module is loaded, and no other."""

from __future__ import annotations

import quorate
from quorate.lib.dispatch import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.agent import Agent

# Explicit, and kept apart from the classes: importing all agents to run one would cost each monitor.
CLASSES = {
    "dashboard": "Dashboard",
    "galera": "Galera",
    "keystone": "Keystone",
    "nova-api": "NovaApi",
    "rabbitmq": "RabbitMQ",
    "sentinel": "Sentinel",
}


def load(name: str) -> type[Agent]:
    """The class of the agent called *name*, its module and no other loaded. Raises KeyError if there is none."""
    cls = CLASSES[name]
    found: type[Agent] = getattr(__import__(f"quorate.agents.{name.replace('-', '_')}", fromlist=["*"]), cls)
    return found


def main(name: str, argv: list[str]) -> int:
    """Run the agent called *name* with *argv* (the action); returns the OCF exit code."""
    return run(load(name), argv, quorate.__version__)
