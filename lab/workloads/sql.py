"""What the workloads on the database share: connections that are kept, as a pool keeps them, and how they may fail."""

from __future__ import annotations

import secrets as random
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import CR, ER

from quorate.lab.workload import CONNECT_TIMEOUT, Place, Refused, Rejected

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

    Link = pymysql.connections.Connection[Any]

PORT = 3306
NOT_READY = 1047
"""'WSREP has not yet prepared node for application use': up, but not (yet, or any more) a part of the cluster."""
ROLLED_BACK = (ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT)
"""Errors that say that the transaction is certainly undone: a conflict with one certified first is a deadlock too."""


def make_database(lab: Lab, name: str, statements: str = "") -> str:
    """An empty database *name* with a user of the same name; returns the user's password, which is new each time."""
    password = random.token_urlsafe(18)
    sql = (
        f"DROP DATABASE IF EXISTS {name};\nCREATE DATABASE {name};\n"
        f"CREATE OR REPLACE USER '{name}'@'%' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL ON {name}.* TO '{name}'@'%';\nUSE {name};\n{statements}"
    )
    lab.exec(lab.nodes[0], ["mariadb"], stdin=sql, timeout=30)
    return password


class Links:
    """One connection per node, kept from operation to operation and looked at before it is used."""

    def __init__(self, database: str, password: str) -> None:
        self._database = database
        self._password = password
        self._links: dict[str, Link] = {}

    def get(self, place: Place, timeout: float) -> Link:
        """The connection to *place*. Raises :class:`Refused` when there is none to be had."""
        link = self._links.get(place.node)
        if link is not None:
            try:
                link.ping(reconnect=False)
                return link
            except (pymysql.MySQLError, OSError):
                self.drop(place)
        try:
            link = pymysql.connect(
                host=place.address,
                port=PORT,
                user=self._database,
                password=self._password,
                database=self._database,
                autocommit=True,
                connect_timeout=max(1, round(min(CONNECT_TIMEOUT, timeout))),
                read_timeout=max(1, round(timeout)),
                write_timeout=max(1, round(timeout)),
            )
        except pymysql.MySQLError as error:
            code = error.args[0] if error.args else 0
            if code in (CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_LOST, NOT_READY):
                raise Refused(str(error)) from None
            raise
        self._links[place.node] = link
        return link

    def failed(self, place: Place, error: pymysql.MySQLError) -> Exception:
        """What *error*, met while *place* carried out an operation, means to the client; the connection is let go."""
        self.drop(place)
        code = error.args[0] if error.args else 0
        if code == NOT_READY:
            return Refused("not ready")
        if code in ROLLED_BACK:
            return Rejected(str(error))
        return error

    def drop(self, place: Place) -> None:
        link = self._links.pop(place.node, None)
        if link is not None:
            try:
                link.close()
            except (pymysql.MySQLError, OSError):
                pass

    def close(self) -> None:
        for node in list(self._links):
            self.drop(Place(node, ""))
