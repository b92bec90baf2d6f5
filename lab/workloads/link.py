"""TCP connections of the clients: refused soon, and broken from another thread when an operation is overdue."""

from __future__ import annotations

import socket

from quorate.lab.workload import CONNECT_TIMEOUT, Place, Refused

HELLO_TIMEOUT = 3.0
"""Seconds a client waits for the first words of a server whose kernel has accepted the connection."""


def connect(place: Place, port: int, timeout: float) -> socket.socket:
    """A connection to *port* of *place*. Raises :class:`Refused`."""
    try:
        link = socket.create_connection((place.address, port), max(0.05, min(CONNECT_TIMEOUT, timeout)))
    except OSError as error:
        raise Refused(str(error)) from None
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def shut(link: socket.socket | None) -> None:
    """Break *link* both ways, waiting for nothing: whoever reads from it finds its end. Closed already is fine."""
    if link is not None:
        try:
            link.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
