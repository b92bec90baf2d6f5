"""nova-api, OpenStack's compute API, active on every node."""

from __future__ import annotations

from quorate.agents.uwsgi import UwsgiApi, actions, parameters


class NovaApi(UwsgiApi):
    name = "nova-api"
    shortdesc = "Manages OpenStack's compute API (nova-api)"
    longdesc = (
        "Runs nova-api under uWSGI, active on every node. The monitor asks for the list of API versions, which needs "
        "neither a token nor the database; at check level 10 it also uses both of nova's databases with nova's own "
        "credentials. While only a database is gone the service is reported as degraded, not as failed. nova-api "
        "reads its database while it boots: it cannot be started without one."
    )
    database_sections = ("api_database", "database")
    parameters = parameters(
        "nova",
        ini="/etc/nova/nova-api-uwsgi.ini",
        config="/etc/nova/nova.conf",
        user="nova",
        port="8774",
        path="/",
        log="/var/log/nova/nova-api.log",
    )
    actions = actions(start=120)
