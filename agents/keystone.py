"""Keystone. (skeleton: being written)"""

from __future__ import annotations

from quorate.lib.agent import Agent
from quorate.lib.declare import Action, Parameter


class Keystone(Agent):
    name = "keystone"
    shortdesc = "keystone (skeleton)"
    longdesc = "keystone (skeleton)"
    parameters = (
        Parameter("binary", "string", '/usr/bin/uwsgi_python3', shortdesc="binary"),
        Parameter("ini", "string", '/etc/keystone/keystone-uwsgi.ini', shortdesc="ini"),
        Parameter("config", "string", '/etc/keystone/keystone.conf', shortdesc="config"),
        Parameter("user", "string", 'keystone', shortdesc="user"),
        Parameter("bind", "string", '0.0.0.0', shortdesc="bind"),
        Parameter("port", "integer", '5000', shortdesc="port"),
        Parameter("probe_path", "string", '/v3', shortdesc="probe_path"),
        Parameter("probe_timeout", "time", '5s', shortdesc="probe_timeout"),
        Parameter("log", "string", '/var/log/keystone/keystone-uwsgi.log', shortdesc="log"),
    )
    actions = (
        Action("start", 60),
        Action("stop", 30),
        Action("monitor", 20, interval=10, depth=0),
        Action("monitor", 30, interval=60, depth=10),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )
