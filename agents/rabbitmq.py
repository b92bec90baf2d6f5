"""RabbitMQ. (skeleton: being written)"""

from __future__ import annotations

from quorate.lib.agent import Agent
from quorate.lib.declare import Action, Parameter


class RabbitMQ(Agent):
    name = "rabbitmq"
    shortdesc = "rabbitmq (skeleton)"
    longdesc = "rabbitmq (skeleton)"
    parameters = (
        Parameter("peers", "string", None, shortdesc="peers", required=True, fill="peers"),
        Parameter("port", "integer", '5672', shortdesc="port"),
    )
    actions = (
        Action("start", 180),
        Action("stop", 120),
        Action("monitor", 20, interval=10, depth=0),
        Action("monitor", 30, interval=60, depth=10),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )
