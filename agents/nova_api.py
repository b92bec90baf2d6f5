"""NovaApi. (skeleton: being written)"""

from __future__ import annotations

from quorate.lib.agent import Agent
from quorate.lib.declare import Action, Parameter


class NovaApi(Agent):
    name = "nova-api"
    shortdesc = "nova-api (skeleton)"
    longdesc = "nova-api (skeleton)"
    parameters = (
        Parameter("binary", "string", '/usr/bin/uwsgi_python3', shortdesc="binary"),
        Parameter("ini", "string", '/etc/nova/nova-api-uwsgi.ini', shortdesc="ini"),
        Parameter("config", "string", '/etc/nova/nova.conf', shortdesc="config"),
        Parameter("user", "string", 'nova', shortdesc="user"),
        Parameter("bind", "string", '0.0.0.0', shortdesc="bind"),
        Parameter("port", "integer", '8774', shortdesc="port"),
        Parameter("probe_path", "string", '/', shortdesc="probe_path"),
        Parameter("probe_timeout", "time", '5s', shortdesc="probe_timeout"),
        Parameter("log", "string", '/var/log/nova/nova-api-uwsgi.log', shortdesc="log"),
    )
    actions = (
        Action("start", 90),
        Action("stop", 30),
        Action("monitor", 20, interval=10, depth=0),
        Action("monitor", 30, interval=60, depth=10),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )
