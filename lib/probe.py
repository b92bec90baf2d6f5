"""One exchange with a service: connect, ask, read, within a deadline. Standard library's C modules only.

Each probe raises :class:`ProbeError` with what was seen; *refused* tells 'nobody listens' from 'no good answer'. What
cannot be asked at all, for lack of a descriptor or of memory here, is an OcfError.
"""

from __future__ import annotations

import errno

from quorate.lib.rc import ERR_GENERIC, OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.deadline import Deadline
    from quorate.lib.host import Host, Socket


# What this machine lacks says nothing about the service.
OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL)


class ProbeError(Exception):
    """The service gave no good answer. *refused*: nothing listens. *silent*: it listens but did not answer in time."""

    def __init__(self, seen: str, *, refused: bool = False, silent: bool = False) -> None:
        super().__init__(seen)
        self.seen = seen
        self.refused = refused
        self.silent = silent


class Exchange:
    """A connected socket whose every step is bounded by one deadline."""

    __slots__ = ("_deadline", "_socket", "_what")

    def __init__(self, host: Host, address: str | tuple[str, int], deadline: Deadline) -> None:
        self._what = address if isinstance(address, str) else f"{address[0]}:{address[1]}"
        self._deadline = deadline
        try:
            self._socket: Socket = host.connect(address, deadline.at_most(deadline.length))
        except OSError as error:
            if error.errno in OURS:
                raise OcfError(ERR_GENERIC, f"{self._what} cannot be asked: {(error.strerror or '').lower()}") from None
            silent = error.errno in (errno.ETIMEDOUT, errno.EAGAIN)
            reason = "did not accept the connection in time" if silent else (error.strerror or str(error)).lower()
            raise ProbeError(f"{self._what}: {reason}", refused=not silent, silent=silent) from None

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(self._deadline.at_most(self._deadline.length))
            self._socket.sendall(data)
        except OSError as error:
            raise self._failed(error) from None

    def receive(self, size: int) -> bytes:
        """Up to *size* bytes; an end of the stream is an error."""
        if self._deadline.passed():
            raise self._failed(TimeoutError())
        try:
            self._socket.settimeout(self._deadline.at_most(self._deadline.length))
            data = self._socket.recv(size)
        except OSError as error:
            raise self._failed(error) from None
        if not data:
            raise ProbeError(f"{self._what} closed the connection without an answer")
        return data

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.receive(size - len(data))
        return data

    def _failed(self, error: OSError) -> ProbeError:
        if isinstance(error, TimeoutError):
            return ProbeError(
                f"{self._what} accepted the connection but did not answer within {self._deadline.length:.1f} s",
                silent=True,
            )
        return ProbeError(f"{self._what}: {(error.strerror or str(error)).lower()}")


def http_status(host: Host, address: tuple[str, int], path: str, deadline: Deadline) -> int:
    """The status code that a GET of *path* is answered with."""
    with Exchange(host, address, deadline) as exchange:
        exchange.send(
            f"GET {path} HTTP/1.0\r\nHost: {address[0]}\r\nUser-Agent: quorate-monitor\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        line = b""
        while b"\n" not in line and len(line) < 4096:
            line += exchange.receive(256)
    fields = line.split(b"\n", 1)[0].split()
    if len(fields) < 2 or not fields[0].startswith(b"HTTP/") or not fields[1].isdigit():
        raise ProbeError(f"{address[0]}:{address[1]} answers, but not in HTTP")
    return int(fields[1])


AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME, CONNECTION, START = 1, 10, 10


def amqp_start(host: Host, address: tuple[str, int], deadline: Deadline) -> None:
    """Offer AMQP 0-9-1 and read the head of the broker's Connection.Start."""
    with Exchange(host, address, deadline) as exchange:
        exchange.send(AMQP_HEADER)
        frame = exchange.exactly(11)
        class_id, method_id = int.from_bytes(frame[7:9], "big"), int.from_bytes(frame[9:11], "big")
        if frame[0] != METHOD_FRAME or (class_id, method_id) != (CONNECTION, START):
            raise ProbeError(f"{address[0]}:{address[1]} answers, but not with AMQP's Connection.Start")


def accepts(host: Host, address: tuple[str, int], timeout: float) -> bool:
    """Whether somebody accepts connections there."""
    try:
        host.connect(address, timeout).close()
    except OSError:
        return False
    return True
