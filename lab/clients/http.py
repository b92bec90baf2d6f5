"""A client of an HTTP service: one GET per request, on a connection of its own."""

from __future__ import annotations

import http.client
from collections.abc import Mapping

from quorate.lab.driver import CONNECT_TIMEOUT, Refused


class HttpSession:
    """GET *path* with *headers* on *port*; any status but *expect* is a failure."""

    def __init__(self, port: int, path: str, headers: Mapping[str, str], expect: int = 200) -> None:
        self._port = port
        self._path = path
        self._headers = dict(headers)
        self._expect = expect

    def request(self, address: str, timeout: float) -> None:
        connection = http.client.HTTPConnection(address, self._port, timeout=min(CONNECT_TIMEOUT, timeout))
        try:
            connection.connect()
        except OSError as error:
            raise Refused(str(error)) from None
        try:
            connection.sock.settimeout(timeout)
            connection.request("GET", self._path, headers=self._headers)
            response = connection.getresponse()
            response.read()
            if response.status != self._expect:
                raise http.client.HTTPException(f"status {response.status}")
        finally:
            connection.close()

    def close(self) -> None:
        """No connection outlives its request."""
