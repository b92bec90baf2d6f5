"""What the services need before they can serve: databases, schemas, the AMQP user, users and endpoints.

Idempotent. Passwords travel by standard input or, where a tool knows no other way, by its environment; never on
a command line.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from quorate.lab.cluster import Lab
from quorate.lab.config import AMQP_USER, CHECK_USER, DATABASE_PORT, KEYSTONE_URL, NOVA_URL, REGION
from quorate.lab.progress import Progress
from quorate.lib.problem import Failed

STATEFUL = ("galera", "rabbitmq")
"""The services that must run before the others' data can be made."""

DEMO_USER = "demo"
DEMO_PROJECT = "demo"

SCHEMA = 300.0
"""Seconds for one schema to be made."""


def databases(lab: Lab, services: Collection[str], progress: Progress) -> None:
    """What *services* need: databases with their users and schemas, and the AMQP user.

    Those of :data:`STATEFUL` among them must run on the first node.
    """
    node = lab.nodes[0]
    if "galera" in services:
        with progress.step("databases and users"):
            lab.exec(node, ["mariadb", "--batch"], stdin=sql(lab), timeout=60)
            _await_database(lab, node)
    # The brokers' user is made beside the schemas: both are one processor's work.
    with ThreadPoolExecutor(1) as beside:
        user = beside.submit(_amqp_user, lab, node) if "rabbitmq" in services else None
        _schemas(lab, node, services, progress)
        if user is not None:
            with progress.step("AMQP user"):
                user.result()


def _schemas(lab: Lab, node: str, services: Collection[str], progress: Progress) -> None:
    if {"galera", "keystone"} <= set(services):
        with progress.step("keystone's schema"):
            lab.exec(node, ["keystone-manage", "db_sync"], user="keystone", timeout=SCHEMA)
            lab.exec(
                node,
                [
                    *("keystone-manage", "bootstrap"),
                    *("--bootstrap-admin-url", KEYSTONE_URL),
                    *("--bootstrap-internal-url", KEYSTONE_URL),
                    *("--bootstrap-public-url", KEYSTONE_URL),
                    *("--bootstrap-region-id", REGION),
                ],
                user="keystone",
                env={"OS_BOOTSTRAP_PASSWORD": lab.secrets.admin_password},
                timeout=SCHEMA,
            )
    if {"galera", "nova-api"} <= set(services):
        with progress.step("nova's schemas"):
            _nova_schemas(lab, node)


def identities(lab: Lab, progress: Progress) -> None:
    """The services' and the demo user, their projects and roles, and nova's endpoint. Needs a running keystone."""
    with progress.step("users and endpoints"):
        lab.exec(
            lab.nodes[0],
            ["/usr/lib/quorate-lab/identity"],
            stdin=json.dumps(identity_document(lab)),
            timeout=120,
        )


def identity_document(lab: Lab) -> dict[str, object]:
    """What the node's ``identity`` program is asked to make sure of."""
    secrets = lab.secrets
    return {
        "url": KEYSTONE_URL,
        "admin": {"password": secrets.admin_password},
        "region": REGION,
        "projects": ["service", DEMO_PROJECT],
        "roles": ["service", "member", "admin"],
        "users": [
            {"name": "nova", "password": secrets.nova_password, "project": "service", "role": "admin"},
            {"name": DEMO_USER, "password": secrets.demo_password, "project": DEMO_PROJECT, "role": "member"},
        ],
        "services": [{"name": "nova", "type": "compute", "url": NOVA_URL}],
    }


def sql(lab: Lab) -> str:
    """The statements that make the databases and their users, with the users' current passwords."""
    secrets = lab.secrets
    network = ipaddress.ip_network(lab.layout.subnet)
    check = f"'{CHECK_USER}'@'{network.network_address}/{network.netmask}'"
    statements = [
        f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8"
        for name in ("keystone", "nova", "nova_api", "nova_cell0")
    ]
    for user, password, owned in (
        ("keystone", secrets.keystone_db_password, ("keystone",)),
        ("nova", secrets.nova_db_password, ("nova", "nova_api", "nova_cell0")),
    ):
        statements += [
            f"CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{password}'",
            f"ALTER USER '{user}'@'%' IDENTIFIED BY '{password}'",
            *(f"GRANT ALL ON {database}.* TO '{user}'@'%'" for database in owned),
        ]
    # Asks each node whether it is Synced. No password, and no privilege either.
    statements.append(f"CREATE USER IF NOT EXISTS {check}")
    return "".join(f"{statement};\n" for statement in statements)


def _await_database(lab: Lab, node: str, deadline: float = 30.0) -> None:
    """Until the haproxy of *node* has seen that a database is Synced."""
    probe = (
        "import pymysql, configparser, urllib.parse as u\n"
        "c = configparser.RawConfigParser(strict=False); c.read('/etc/keystone/keystone.conf')\n"
        "p = u.urlsplit(c['database']['connection'])\n"
        f"pymysql.connect(host='127.0.0.1', port={DATABASE_PORT}, user=p.username, password=p.password,\n"
        "                database='keystone', connect_timeout=2, read_timeout=2, ssl_disabled=True).ping()\n"
    )
    until = time.monotonic() + deadline
    while True:
        result = lab.exec(node, ["python3", "-"], stdin=probe, timeout=15, check=False)
        if result.rc == 0:
            return
        if time.monotonic() > until:
            said = (result.err.strip().splitlines() or ["(silent)"])[-1]
            raise Failed(
                f"node {node}: no database answers at 127.0.0.1:{DATABASE_PORT} after {deadline:.0f} s: {said}"
            )
        time.sleep(0.5)


def _amqp_user(lab: Lab, node: str) -> None:
    """The services' user with its current password; the user that every fresh broker is born with goes."""
    password = lab.secrets.amqp_password
    known = lab.exec(node, ["rabbitmqctl", "-q", "--formatter", "json", "list_users"]).out
    users = {entry["user"] for entry in json.loads(known)}
    verb = "change_password" if AMQP_USER in users else "add_user"
    lab.exec(node, ["rabbitmqctl", "-q", verb, AMQP_USER], stdin=f"{password}\n")
    lab.exec(node, ["rabbitmqctl", "-q", "set_permissions", AMQP_USER, ".*", ".*", ".*"])
    if "guest" in users:
        lab.exec(node, ["rabbitmqctl", "-q", "delete_user", "guest"])


def _nova_schemas(lab: Lab, node: str) -> None:
    def manage(*argv: str, good: tuple[int, ...] = (0,)) -> str:
        result = lab.exec(node, ["nova-manage", *argv], user="nova", timeout=SCHEMA, check=False)
        if result.rc not in good:
            said = (result.err.strip() or result.out.strip())[-600:]
            raise Failed(f"node {node}: `nova-manage {' '.join(argv)}` ended with {result.rc}: {said}")
        return result.out

    manage("api_db", "sync")
    # Templates: the connections come from nova.conf, so that no password is a command's argument.
    cell0 = "{scheme}://{username}:{password}@{hostname}:{port}/nova_cell0?{query}"
    manage("cell_v2", "map_cell0", "--database_connection", cell0)
    each = "{{username{0}}}:{{password{0}}}@{{hostname{0}}}:{{port{0}}}"
    rabbits = ",".join(each.format(number) for number in range(1, len(lab.nodes) + 1))
    if " cell1 " not in manage("cell_v2", "list_cells"):
        manage(
            *("cell_v2", "create_cell", "--name", "cell1"),
            *("--database_connection", "{scheme}://{username}:{password}@{hostname}:{port}/{path}?{query}"),
            *("--transport-url", "{scheme}://" + rabbits + "/"),
        )
    manage("db", "sync")
