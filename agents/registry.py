"""The explicit list of agents."""

from __future__ import annotations

from quorate.agents.dashboard import Dashboard
from quorate.agents.galera import Galera
from quorate.agents.keystone import Keystone
from quorate.agents.nova_api import NovaApi
from quorate.agents.rabbitmq import RabbitMQ
from quorate.agents.sentinel import Sentinel
from quorate.lib.agent import Agent

AGENTS: tuple[type[Agent], ...] = (Galera, RabbitMQ, Keystone, NovaApi, Dashboard, Sentinel)
BY_NAME = {agent.name: agent for agent in AGENTS}
