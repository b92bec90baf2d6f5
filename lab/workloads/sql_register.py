"""Registers written on one node and read on another: what was acknowledged is what everybody reads from then on.

Every session asks for reads that wait for what is being applied (``wsrep_sync_wait``): without it Galera promises no
more than that a row arrives soon.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pymysql

from quorate.lab.checkers.register import RegisterChecker
from quorate.lab.workload import Call, Pace, Place
from quorate.lab.workloads.sql import SYNC_READS, Links, make_database

if TYPE_CHECKING:
    from quorate.lab.checker import Checker
    from quorate.lab.cluster import Lab
    from quorate.lab.history import Op

_DATABASE = "chaos_register"
KEYS = 12


class SqlRegister:
    """``write`` [key, n], n growing per key and one writer per key at a time; ``read`` key: its n, or null."""

    name = "sql-register"
    about = "registers written on one node and read on another; no read is older than what was acknowledged before it"
    service = "galera"
    pure = frozenset({"read"})
    pace = Pace(rate=15)

    def __init__(self) -> None:
        self._random = random.Random()
        self._password = ""
        self._nodes: tuple[str, ...] = ()
        self._next = dict.fromkeys(range(KEYS), 1)
        self._writing: set[int] = set()
        self._writer: dict[int, str] = {}
        self._last = 0

    def prepare(self, lab: Lab) -> None:
        self._nodes = lab.nodes
        table = "CREATE TABLE registers (k INT PRIMARY KEY, n BIGINT NOT NULL)"
        self._password = make_database(lab, _DATABASE, f"{table};\n")

    def open(self) -> SqlRegisterSession:
        return SqlRegisterSession(Links(_DATABASE, self._password, SYNC_READS))

    def ops(self) -> Iterator[Call]:
        while True:
            free = sorted(set(range(KEYS)) - self._writing)
            if free:
                key = self._random.choice(free)
                self._writing.add(key)
                number, self._next[key] = self._next[key], self._next[key] + 1
                yield Call("write", [key, number])
            # Rather what was written last than anything else, and on another node.
            for key in (self._last, self._random.randrange(KEYS)):
                others = [node for node in self._nodes if node != self._writer.get(key)]
                yield Call("read", key, node=self._random.choice(others) if others else "")

    def final(self) -> Generator[Call, Op, None]:
        for node in self._nodes:
            for key in range(KEYS):
                yield Call("read", key, node=node, pinned=True)

    def checkers(self) -> tuple[Checker, ...]:
        return (RegisterChecker(self.name),)

    def ended(self, op: Op) -> None:
        if op.f == "write":
            self._last, _ = op.value
            self._writing.discard(self._last)
            self._writer[self._last] = op.node


class SqlRegisterSession:
    def __init__(self, links: Links) -> None:
        self._links = links

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        link = self._links.get(place, timeout)
        try:
            with link.cursor() as cursor:
                if call.f == "read":
                    cursor.execute("SELECT n FROM registers WHERE k = %s", (call.value,))
                    row = cursor.fetchone()
                    return None if row is None else int(row[0])
                # A write whose answer was lost may still arrive after the next one: it must not set the value back.
                cursor.execute(
                    "INSERT INTO registers (k, n) VALUES (%s, %s) ON DUPLICATE KEY UPDATE n = GREATEST(n, VALUES(n))",
                    tuple(call.value),
                )
                return None
        except pymysql.MySQLError as error:
            raise self._links.failed(place, error) from None

    def interrupt(self) -> None:
        self._links.interrupt()

    def close(self) -> None:
        self._links.close()
