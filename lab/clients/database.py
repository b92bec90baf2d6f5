"""Galera: a row inserted and committed, on any node."""

from __future__ import annotations

from typing import Any

import pymysql
from pymysql.constants import CR

from quorate.lab.driver import CONNECT_TIMEOUT, Refused

PORT = 3306
DATABASE = "drill"
WSREP_NOT_READY = 1047
"""'WSREP has not yet prepared node for application use': up, but not (yet) a part of the cluster."""


class DatabaseSession:
    """One connection per address, kept from request to request and looked at before it is used, as a pool does."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._links: dict[str, pymysql.connections.Connection[Any]] = {}

    def request(self, address: str, timeout: float) -> None:
        link = self._link(address, timeout)
        try:
            with link.cursor() as cursor:
                cursor.execute("INSERT INTO rows_written (node) VALUES (%s)", (address,))
        except pymysql.MySQLError as error:
            self._drop(address)
            if error.args and error.args[0] == WSREP_NOT_READY:
                raise Refused("not ready") from None
            raise

    def _link(self, address: str, timeout: float) -> pymysql.connections.Connection[Any]:
        if address in self._links:
            link = self._links[address]
            try:
                link.ping(reconnect=False)
                return link
            except pymysql.MySQLError:
                self._drop(address)
        try:
            link = pymysql.connect(
                host=address,
                port=PORT,
                user=self._user,
                password=self._password,
                database=DATABASE,
                autocommit=True,
                connect_timeout=max(1, round(min(CONNECT_TIMEOUT, timeout))),
                read_timeout=max(1, round(timeout)),
                write_timeout=max(1, round(timeout)),
            )
        except pymysql.MySQLError as error:
            code = error.args[0] if error.args else 0
            if code in (CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_LOST, WSREP_NOT_READY):
                raise Refused(str(error)) from None
            raise
        self._links[address] = link
        return link

    def _drop(self, address: str) -> None:
        link = self._links.pop(address)
        try:
            link.close()
        except pymysql.MySQLError:
            pass

    def close(self) -> None:
        for address in list(self._links):
            self._drop(address)
