"""What the services of the control plane look like from outside, whichever agent runs them."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from quorate.lib.problem import Problem


@dataclass(frozen=True)
class Service:
    """One service as a machine shows it.

    Its processes are those of *user* (any, when empty) whose command name is one of *commands*. *port* is where
    clients come and *hello* is what makes it say a first byte; *peer_ports* are between its own nodes. *data* is the
    folder that must not fill up, and *disk* the size in bytes of the disk that it gets in a lab.
    """

    name: str
    commands: tuple[str, ...]
    user: str
    port: int
    hello: bytes
    peer_ports: tuple[int, ...] = ()
    data: str = ""
    disk: int = 0

    @property
    def clone(self) -> str:
        """The id that every topology of the lab gives the service's clone."""
        return f"{self.name}-clone"

    def silent(self, address: str, timeout: float = 2.0) -> str:
        """Empty when the service at *address* answers a client's first words, else what it does instead."""
        try:
            with socket.create_connection((address, self.port), timeout) as link:
                link.settimeout(timeout)
                link.sendall(self.hello)
                return "" if link.recv(1) else "closes the connection"
        except OSError as error:
            return f"does not answer ({error})"


_MIB = 1024 * 1024
_HTTP = b"GET / HTTP/1.0\r\n\r\n"
SERVICES = (
    Service("keystone", ("uwsgi", "uwsgi_python3", "uwsgi-core"), "keystone", 5000, _HTTP),
    Service("nova-api", ("uwsgi", "uwsgi_python3", "uwsgi-core"), "nova", 8774, _HTTP),
    Service("dashboard", ("apache2",), "", 80, _HTTP),
    Service("rabbitmq", ("beam.smp",), "rabbitmq", 5672, b"AMQP\0\0\t\1", (25672,), "/var/lib/rabbitmq", 512 * _MIB),
    Service("galera", ("mariadbd", "mysqld"), "mysql", 3306, b"", (4567,), "/var/lib/mysql", 1536 * _MIB),
)


def service(name: str) -> Service:
    """The service called *name*. Raises :class:`Problem`."""
    for known in SERVICES:
        if known.name == name:
            return known
    raise Problem(f"there is no service {name!r}: known are {', '.join(known.name for known in SERVICES)}")
