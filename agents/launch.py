"""The entry of every installed agent: the name it was called under decides which module is loaded, and no other."""

from __future__ import annotations

import quorate
from quorate.lib.dispatch import run

# Explicit, and kept apart from the classes: importing all agents to run one would cost each monitor.
CLASSES = {
    "dashboard": "Dashboard",
    "galera": "Galera",
    "keystone": "Keystone",
    "nova-api": "NovaApi",
    "rabbitmq": "RabbitMQ",
}


def main(name: str, argv: list[str]) -> int:
    """Run the agent called *name* with *argv* (the action); returns the OCF exit code."""
    module = __import__(f"quorate.agents.{name.replace('-', '_')}", fromlist=["*"])
    return run(getattr(module, CLASSES[name]), argv, quorate.__version__)
