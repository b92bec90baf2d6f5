"""Five light probes, one per service: as many requests as a service's users make, each as small as it can be.

They tell availability and nothing else. The other workloads, which tell what is true, are too heavy for 20 a second
on a laboratory's processors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pika
import pymysql

from quorate.lab.config import AMQP_USER
from quorate.lab.workload import Call, Pace, Place, Session, Workload
from quorate.lab.workloads import dashboard, identity, nova_api
from quorate.lab.workloads.amqp import ERRORS, Channels
from quorate.lab.workloads.http import Http
from quorate.lab.workloads.sql import Links, make_database

if TYPE_CHECKING:
    from quorate.lab.checker import Checker
    from quorate.lab.cluster import Lab
    from quorate.lab.history import Op

RATE = 20.5
"""Requests per second of each probe: a little above the 20 that the drill promises."""
DATABASE = "drill"
QUEUE = "drill"


class Probe:
    """``ask`` N. *prepare* makes what the clients need and returns what opens one."""

    pace = Pace(rate=RATE)

    def __init__(self, service: str, about: str, pure: bool, prepare: Callable[[Lab], Callable[[], Session]]) -> None:
        self.name = f"probe-{service}"
        self.about = about
        self.service = service
        self.pure = frozenset({"ask"}) if pure else frozenset()
        self._prepare = prepare
        self._open: Callable[[], Session] = Unprepared

    def prepare(self, lab: Lab) -> None:
        self._open = self._prepare(lab)

    def open(self) -> Session:
        return self._open()

    def ops(self) -> Iterator[Call]:
        for number in itertools.count():
            yield Call("ask", number)

    def final(self) -> Generator[Call, Op, None]:
        yield from ()

    def checkers(self) -> tuple[Checker, ...]:
        return ()


class Unprepared:
    """A client of nobody."""

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        raise RuntimeError("the workload was not prepared")

    def interrupt(self) -> None:
        """Nothing to break."""

    def close(self) -> None:
        """Nothing to close."""


class HttpProbe:
    """GET *path* on *port*: anything but 200 is a failure."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self._http = Http(port)
        self._path = path
        self._headers = headers

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        self._http.request(place, "GET", self._path, timeout, self._headers).expect(200)

    def interrupt(self) -> None:
        self._http.interrupt()

    def close(self) -> None:
        self._http.close()


class DatabaseProbe:
    """A row inserted and committed, on any node."""

    def __init__(self, password: str) -> None:
        self._links = Links(DATABASE, password)

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        link = self._links.get(place, timeout)
        try:
            with link.cursor() as cursor:
                cursor.execute("INSERT INTO rows_written (node) VALUES (%s)", (place.node,))
        except pymysql.MySQLError as error:
            raise self._links.failed(place, error) from None

    def interrupt(self) -> None:
        self._links.interrupt()

    def close(self) -> None:
        self._links.close()


class QueueProbe:
    """A persistent message published with the broker's confirm, and one taken from the same queue."""

    def __init__(self, password: str) -> None:
        self._channels = Channels(AMQP_USER, password, QUEUE)

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        channel = self._channels.get(place, timeout)
        try:
            channel.basic_publish("", QUEUE, b"quorate", pika.BasicProperties(delivery_mode=2))
            channel.basic_get(QUEUE, auto_ack=True)
        except ERRORS:
            self._channels.drop(place)
            raise

    def interrupt(self) -> None:
        self._channels.interrupt()

    def close(self) -> None:
        self._channels.close()


def prepare_database(lab: Lab) -> str:
    """The probe's own database, empty, and its user; returns the user's password, which is new each time."""
    table = "CREATE TABLE rows_written (id BIGINT AUTO_INCREMENT PRIMARY KEY, node VARCHAR(64))"
    return make_database(lab, DATABASE, f"{table};\n")


def _keystone(lab: Lab) -> Callable[[], Session]:
    token = identity.demo_token(lab)
    return lambda: HttpProbe(identity.PORT, identity.TOKENS, {"X-Auth-Token": token, "X-Subject-Token": token})


def _nova_api(lab: Lab) -> Callable[[], Session]:
    token = identity.demo_token(lab)
    return lambda: HttpProbe(nova_api.PORT, "/v2.1/os-keypairs", {"X-Auth-Token": token})


def _dashboard(lab: Lab) -> Callable[[], Session]:
    return lambda: HttpProbe(dashboard.PORT, dashboard.LOGIN, {})


def _rabbitmq(lab: Lab) -> Callable[[], Session]:
    password = lab.secrets.amqp_password
    return lambda: QueueProbe(password)


def _galera(lab: Lab) -> Callable[[], Session]:
    password = prepare_database(lab)
    return lambda: DatabaseProbe(password)


def probe_keystone() -> Workload:
    return Probe("keystone", "a token validated: decrypted, and its user looked up in the database", True, _keystone)


def probe_nova_api() -> Workload:
    return Probe("nova-api", "a user's key pairs listed: the token is checked, the database is read", True, _nova_api)


def probe_dashboard() -> Workload:
    return Probe("dashboard", "the login page fetched", True, _dashboard)


def probe_rabbitmq() -> Workload:
    return Probe("rabbitmq", "a message published with its confirm, and one taken", False, _rabbitmq)


def probe_galera() -> Workload:
    return Probe("galera", "a row inserted and committed on any node", False, _galera)


PROBES: tuple[Callable[[], Workload], ...] = (
    probe_keystone,
    probe_nova_api,
    probe_dashboard,
    probe_rabbitmq,
    probe_galera,
)
