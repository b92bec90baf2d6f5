"""What the workloads on the database share: connections that are kept, as a pool keeps them, and how they may fail."""

from __future__ import annotations

import secrets as random
import socket
from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import ER

from quorate.lab.workload import Place, Refused, Rejected
from quorate.lab.workloads.link import HELLO_TIMEOUT, connect, shut

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

    _Connection = pymysql.connections.Connection[pymysql.cursors.Cursor]
else:
    _Connection = pymysql.connections.Connection

PORT = 3306
NOT_READY = 1047
"""'WSREP has not yet prepared node for application use': up, but not (yet, or any more) a part of the cluster."""
ROLLED_BACK = (ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT)
"""Errors that say that the transaction is certainly undone: a conflict with one certified first is a deadlock too."""
SYNC_READS = "SET SESSION wsrep_sync_wait = 1"
"""Every read of the session first waits until its node has applied what any node had acknowledged before it."""


def make_database(lab: Lab, name: str, statements: str = "") -> str:
    """An empty database *name* with a user of the same name, on every node.

    Returns the user's password, which is new each time.
    """
    password = random.token_urlsafe(18)
    sql = (
        f"DROP DATABASE IF EXISTS {name};\nCREATE DATABASE {name};\n"
        f"CREATE OR REPLACE USER '{name}'@'%' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL ON {name}.* TO '{name}'@'%';\nUSE {name};\n{statements}"
    )
    first, *others = lab.nodes
    lab.exec(first, ["mariadb"], stdin=sql, timeout=30)
    for node in others:
        # Waits until what was acknowledged there is applied here: a table arrives a moment later.
        lab.exec(node, ["mariadb"], stdin=f"{SYNC_READS};\nSELECT 1 FROM mysql.user LIMIT 1;\n", timeout=30)
    return password


class Link(_Connection):
    """A connection whose patience can be changed while it lives."""

    def patience(self, seconds: float) -> Link:
        """Wait no longer than *seconds* for each part of an answer from now on; itself."""
        self._read_timeout = self._write_timeout = max(0.05, seconds)
        return self


class Links:
    """One connection per node, kept from operation to operation and looked at before it is used."""

    def __init__(self, database: str, password: str, init: str = "") -> None:
        self._database = database
        self._password = password
        self._init = init or None
        self._links: dict[str, Link] = {}
        self._sockets: dict[str, socket.socket] = {}

    def get(self, place: Place, timeout: float) -> Link:
        """The connection to *place*. Raises :class:`Refused` when there is none to be had."""
        hello = min(HELLO_TIMEOUT, timeout)
        link = self._links.get(place.node)
        if link is not None:
            try:
                link.patience(hello).ping(reconnect=False)
                return link.patience(timeout)
            except (pymysql.MySQLError, OSError):
                self.drop(place)
        wire = connect(place, PORT, timeout)
        self._sockets[place.node] = wire
        link = Link(
            host=place.address,
            port=PORT,
            user=self._database,
            password=self._password,
            database=self._database,
            autocommit=True,
            init_command=self._init,
            defer_connect=True,
            # The network is the machine's own: a TLS context for each connection only takes processor time.
            ssl_disabled=True,
        )
        self._links[place.node] = link
        try:
            link.patience(hello).connect(wire)
        except (pymysql.MySQLError, OSError) as error:
            self.drop(place)
            raise Refused(str(error)) from None
        return link.patience(timeout)

    def failed(self, place: Place, error: pymysql.MySQLError) -> Exception:
        """What *error*, met while *place* carried out one statement, means to the client; the connection is let go."""
        self.drop(place)
        code = code_of(error)
        if code == NOT_READY:
            return Refused("not ready")
        if code in ROLLED_BACK:
            return Rejected(str(error))
        return error

    def drop(self, place: Place) -> None:
        """Let go of the connection to *place*, without a word to it: what was under way there is rolled back."""
        wire = self._sockets.pop(place.node, None)
        shut(wire)
        link = self._links.pop(place.node, None)
        if link is not None:
            try:
                link.close()
            except (pymysql.MySQLError, OSError):
                pass
        if wire is not None:
            wire.close()

    def interrupt(self) -> None:
        for wire in list(self._sockets.values()):
            shut(wire)

    def close(self) -> None:
        for node in list(self._links):
            link = self._links[node]
            try:
                link.close()
            except (pymysql.MySQLError, OSError):
                pass
            self.drop(Place(node, ""))


def code_of(error: pymysql.MySQLError) -> int:
    """The server's or the library's number of *error*."""
    return int(error.args[0]) if error.args and isinstance(error.args[0], int) else 0
