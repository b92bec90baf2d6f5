"""Galera. (skeleton: being written)"""

from __future__ import annotations

from quorate.lib.agent import Agent
from quorate.lib.declare import Action, Parameter


class Galera(Agent):
    name = "galera"
    shortdesc = "galera (skeleton)"
    longdesc = "galera (skeleton)"
    parameters = (
        Parameter("peers", "string", None, shortdesc="peers", required=True, fill="peers"),
        Parameter("port", "integer", '3306', shortdesc="port"),
    )
    actions = (
        Action("start", 300),
        Action("stop", 120),
        Action("monitor", 20, interval=10, depth=0),
        Action("monitor", 30, interval=60, depth=10),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )
