"""Keystone, OpenStack's identity service, active on every node."""

from __future__ import annotations

from quorate.agents.uwsgi import UwsgiApi, actions, parameters


class Keystone(UwsgiApi):
    name = "keystone"
    shortdesc = "Manages OpenStack's identity service (keystone)"
    longdesc = (
        "Runs keystone under uWSGI, active on every node. The monitor asks for the version document, which needs no "
        "database; at check level 10 it also uses the database with keystone's own credentials. While only the "
        "database is gone the service is reported as degraded, not as failed: restarting it would not bring the "
        "database back. All nodes must share the fernet keys and the database."
    )
    parameters = parameters(
        "keystone",
        ini="/etc/keystone/keystone-uwsgi.ini",
        config="/etc/keystone/keystone.conf",
        user="keystone",
        port="5000",
        path="/v3",
        log="/var/log/keystone/keystone.log",
    )
    actions = actions(start=90)
