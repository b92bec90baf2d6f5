"""A client of an HTTP service: each request on a connection of its own, which another thread can break."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quorate.lab.workload import Place
from quorate.lab.workloads.link import connect, shut


class UnexpectedStatus(Exception):
    """The service answered with a status that the operation does not know what to make of."""


@dataclass(frozen=True)
class Reply:
    """What the service answered. *headers* in their order: one name may come more than once."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of the header *name*, or the empty string."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def json(self) -> Any:
        return json.loads(self.body)

    def expect(self, *statuses: int) -> Reply:
        """Itself. Raises :class:`UnexpectedStatus` for any status but *statuses*."""
        if self.status not in statuses:
            raise UnexpectedStatus(f"status {self.status}")
        return self


class Http:
    """Requests to one *port*. What it raises never quotes a header or a body: they may hold secrets."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def request(
        self,
        place: Place,
        method: str,
        path: str,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
    ) -> Reply:
        """One request to *place*. Raises :class:`Refused` when there is no connection to be had."""
        until = time.monotonic() + timeout
        link = connect(place, self._port, timeout)
        self._socket = link
        connection = http.client.HTTPConnection(place.address, self._port)
        connection.sock = link
        try:
            link.settimeout(max(0.05, until - time.monotonic()))
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            link.settimeout(max(0.05, until - time.monotonic()))
            return Reply(response.status, tuple(response.getheaders()), response.read())
        finally:
            self._socket = None
            connection.close()

    def interrupt(self) -> None:
        shut(self._socket)

    def close(self) -> None:
        """No connection outlives its request."""
