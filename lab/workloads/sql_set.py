"""Unique rows inserted on every node, all read back at the end: none that was acknowledged may be missing."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pymysql

from quorate.lab.checkers.sets import SetChecker
from quorate.lab.workload import Call, Pace, Place
from quorate.lab.workloads.sql import SYNC_READS, Links, make_database

if TYPE_CHECKING:
    from quorate.lab.checker import Checker
    from quorate.lab.cluster import Lab
    from quorate.lab.history import Op

_DATABASE = "chaos_set"
_CHUNK = 5000
"""Rows per final read: an operation that ends within its deadline whatever the run's length."""


class SqlSet:
    """``insert`` N: one row. Final ``read`` [from, to): the numbers that are there, on each node."""

    name = "sql-set"
    about = "unique rows inserted on every node; none that was acknowledged may be missing on any node at the end"
    service = "galera"
    pure = frozenset({"read"})
    pace = Pace(rate=30)

    def __init__(self) -> None:
        self._password = ""
        self._nodes: tuple[str, ...] = ()
        self._next = 0

    def prepare(self, lab: Lab) -> None:
        self._nodes = lab.nodes
        self._password = make_database(lab, _DATABASE, "CREATE TABLE numbers (n BIGINT PRIMARY KEY);\n")

    def open(self) -> SqlSetSession:
        return SqlSetSession(Links(_DATABASE, self._password, SYNC_READS))

    def ops(self) -> Iterator[Call]:
        for number in itertools.count():
            self._next = number + 1
            yield Call("insert", number)

    def final(self) -> Generator[Call, Op, None]:
        for node in self._nodes:
            for start in range(0, self._next, _CHUNK):
                yield Call("read", [start, start + _CHUNK], node=node, pinned=True)

    def checkers(self) -> tuple[Checker, ...]:
        return (SetChecker(self.name, "insert", "read"),)


class SqlSetSession:
    def __init__(self, links: Links) -> None:
        self._links = links

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        link = self._links.get(place, timeout)
        try:
            with link.cursor() as cursor:
                if call.f == "insert":
                    # Each number is used once: one that is there already was inserted by an attempt of this very
                    # operation, so that even that error does not say that it was not done.
                    cursor.execute("INSERT INTO numbers (n) VALUES (%s)", (call.value,))
                    return None
                cursor.execute("SELECT n FROM numbers WHERE n >= %s AND n < %s ORDER BY n", tuple(call.value))
                return [row[0] for row in cursor.fetchall()]
        except pymysql.MySQLError as error:
            raise self._links.failed(place, error) from None

    def interrupt(self) -> None:
        self._links.interrupt()

    def close(self) -> None:
        self._links.close()
