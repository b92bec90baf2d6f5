"""Dashboard. (skeleton: being written)"""

from __future__ import annotations

from quorate.lib.agent import Agent
from quorate.lib.declare import Action, Parameter


class Dashboard(Agent):
    name = "dashboard"
    shortdesc = "dashboard (skeleton)"
    longdesc = "dashboard (skeleton)"
    parameters = (
        Parameter("binary", "string", '/usr/sbin/apache2', shortdesc="binary"),
        Parameter("config", "string", '/etc/apache2/apache2.conf', shortdesc="config"),
        Parameter("envvars", "string", '/etc/apache2/envvars', shortdesc="envvars"),
        Parameter("bind", "string", '127.0.0.1', shortdesc="bind"),
        Parameter("port", "integer", '80', shortdesc="port"),
        Parameter("probe_path", "string", '/horizon/auth/login/', shortdesc="probe_path"),
        Parameter("probe_timeout", "time", '5s', shortdesc="probe_timeout"),
    )
    actions = (
        Action("start", 60),
        Action("stop", 30),
        Action("monitor", 20, interval=10, depth=0),
        Action("monitor", 30, interval=60, depth=10),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )
