"""Money moved between accounts in transactions on every node: none is made, none is lost, at any moment."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import ER

from quorate.lab.checkers.bank import BankChecker
from quorate.lab.workload import Call, Pace, Place, Refused, Rejected
from quorate.lab.workloads.sql import NOT_READY, ROLLED_BACK, SYNC_READS, Link, Links, code_of, make_database

if TYPE_CHECKING:
    from quorate.lab.checker import Checker
    from quorate.lab.cluster import Lab
    from quorate.lab.history import Op

_DATABASE = "chaos_bank"
ACCOUNTS = 16
EACH = 100
TOTAL = ACCOUNTS * EACH
_MOST = 5
"""The most that one transfer moves."""
_PAUSE = (0.01, 0.1)
"""Seconds, from and to, before a transfer that lost against another one is tried again."""


class SqlBank:
    """``transfer`` [from, to, amount] in a transaction; ``read``: {account: balance}, of all of them at one moment."""

    name = "sql-bank"
    about = f"transfers between {ACCOUNTS} accounts on every node; whoever reads them all sees {TOTAL} in all"
    service = "galera"
    pure = frozenset({"read"})
    pace = Pace(rate=15)

    def __init__(self) -> None:
        self._random = random.Random()
        self._password = ""
        self._nodes: tuple[str, ...] = ()

    def prepare(self, lab: Lab) -> None:
        self._nodes = lab.nodes
        rows = ", ".join(f"({account}, {EACH})" for account in range(ACCOUNTS))
        table = "CREATE TABLE accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL)"
        self._password = make_database(lab, _DATABASE, f"{table};\nINSERT INTO accounts VALUES {rows};\n")

    def open(self) -> SqlBankSession:
        return SqlBankSession(Links(_DATABASE, self._password, SYNC_READS))

    def ops(self) -> Iterator[Call]:
        while True:
            for _ in range(4):
                source, target = self._random.sample(range(ACCOUNTS), 2)
                yield Call("transfer", [source, target, self._random.randint(1, _MOST)])
            yield Call("read")

    def final(self) -> Generator[Call, Op, None]:
        for node in self._nodes:
            yield Call("read", node=node, pinned=True)

    def checkers(self) -> tuple[Checker, ...]:
        return (BankChecker(self.name, total=TOTAL, accounts=ACCOUNTS),)


class _Conflict(Rejected):
    """Another transaction was first; this one is certainly undone."""


class SqlBankSession:
    def __init__(self, links: Links) -> None:
        self._links = links

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        if call.f == "transfer":
            return self._transfer_anew(place, timeout, *call.value)
        link = self._links.get(place, timeout)
        try:
            with link.cursor() as cursor:
                cursor.execute("SELECT id, balance FROM accounts")
                return {str(account): int(balance) for account, balance in cursor.fetchall()}
        except pymysql.MySQLError as error:
            raise self._links.failed(place, error) from None

    def _transfer_anew(self, place: Place, timeout: float, source: int, target: int, amount: int) -> None:
        """A transfer that lost against another one is tried again, as the services' own database layer does.

        Otherwise every conflict, which is no fault of the database, would count as a time without it.
        """
        until = time.monotonic() + timeout
        while True:
            try:
                return self._transfer(self._links.get(place, timeout), place, source, target, amount)
            except _Conflict:
                pause = random.uniform(*_PAUSE)
                if time.monotonic() + pause > until:
                    raise
                time.sleep(pause)

    def _transfer(self, link: Link, place: Place, source: int, target: int, amount: int) -> None:
        with link.cursor() as cursor:
            try:
                cursor.execute("START TRANSACTION")
            except pymysql.MySQLError as error:
                self._links.drop(place)
                raise Refused(str(error)) from None
            try:
                cursor.execute(
                    "SELECT id, balance FROM accounts WHERE id IN (%s, %s) ORDER BY id FOR UPDATE", (source, target)
                )
                balances = {int(account): int(balance) for account, balance in cursor.fetchall()}
                if len(balances) != 2 or balances[source] < amount:
                    cursor.execute("ROLLBACK")
                    raise Rejected(f"accounts {source} and {target} have {balances}")
                # Sums made here, not in SQL: a transfer whose read was stale would undo another one, and be found.
                update = "UPDATE accounts SET balance = %s WHERE id = %s"
                cursor.execute(update, (balances[source] - amount, source))
                cursor.execute(update, (balances[target] + amount, target))
            except pymysql.MySQLError as error:
                # Nobody has asked to commit; the transaction ends with its connection.
                self._links.drop(place)
                if code_of(error) == NOT_READY:
                    raise Refused("not ready") from None
                raise (_Conflict if code_of(error) in ROLLED_BACK else Rejected)(str(error)) from None
            try:
                cursor.execute("COMMIT")
            except pymysql.MySQLError as error:
                self._links.drop(place)
                if code_of(error) == ER.LOCK_DEADLOCK:
                    raise _Conflict(str(error)) from None
                raise

    def interrupt(self) -> None:
        self._links.interrupt()

    def close(self) -> None:
        self._links.close()
