"""The part of the MySQL client protocol that a monitor needs: log in over the local socket, ask one question.

Root over the socket is known to the server by its uid (MariaDB's ``unix_socket``), so no password exists to be kept.
A full client costs 60 ms of CPU to import; this costs none. Protocol: MariaDB's and MySQL's published
client/server protocol, version 10 handshake, text result sets.
"""

from __future__ import annotations

from quorate.lib.probe import Exchange, ProbeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.deadline import Deadline
    from quorate.lib.host import Host

CLIENT_LONG_PASSWORD, CLIENT_PROTOCOL_41 = 0x1, 0x200
CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH = 0x8000, 0x80000
COM_QUIT, COM_QUERY = b"\x01", b"\x03"
OK, ERROR, END, AUTH_SWITCH = 0x00, 0xFF, 0xFE, 0xFE
NULL = 0xFB


class SqlError(ProbeError):
    """The server answered with an error: it lives, but will not do this."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"error {code}: {message}")
        self.code = code


def query(host: Host, path: str, user: str, statement: str, deadline: Deadline) -> list[list[str]]:
    """Rows of *statement*, asked over the UNIX socket *path* as *user*; NULL reads as the empty string."""
    with Exchange(host, path, deadline) as exchange:
        greeting = _packet(exchange)
        if greeting[:1] == b"\xff":
            raise _error(greeting)
        if greeting[:1] != b"\x0a":
            raise ProbeError(f"{path} answers, but not in the MySQL protocol")
        _login(exchange, user)
        _send(exchange, 0, COM_QUERY + statement.encode("utf-8"))
        rows = _result(exchange)
        _send(exchange, 0, COM_QUIT)
        return rows


def _login(exchange: Exchange, user: str) -> None:
    flags = CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH
    response = (
        flags.to_bytes(4, "little")
        + (1 << 24).to_bytes(4, "little")
        + bytes([33])
        + bytes(23)
        + user.encode("utf-8")
        + b"\0\0"
        + b"mysql_native_password\0"
    )
    _send(exchange, 1, response)
    # The account may list several ways in; to each the server offers we say nothing, until our uid satisfies one.
    for _ in range(4):
        answer, sequence = _numbered(exchange)
        if answer[0] == OK:
            return
        if answer[0] == ERROR:
            raise _error(answer)
        _send(exchange, sequence + 1, b"")
    raise ProbeError(f"the server does not let {user} in over its socket")


def _result(exchange: Exchange) -> list[list[str]]:
    head = _packet(exchange)
    if head[0] == ERROR:
        raise _error(head)
    if head[0] == OK:
        return []
    columns = head[0]
    for _ in range(columns):
        _packet(exchange)
    _packet(exchange)
    rows: list[list[str]] = []
    while True:
        packet = _packet(exchange)
        if packet[0] == ERROR:
            raise _error(packet)
        if packet[0] == END and len(packet) < 9:
            return rows
        try:
            rows.append(_row(packet, columns))
        except (IndexError, KeyError):
            raise ProbeError("the server sent a row that cannot be read") from None


def _row(packet: bytes, columns: int) -> list[str]:
    values: list[str] = []
    at = 0
    for _ in range(columns):
        length = packet[at]
        at += 1
        if length == NULL:
            values.append("")
            continue
        if length > NULL:
            size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[length]
            length = int.from_bytes(packet[at : at + size], "little")
            at += size
        values.append(packet[at : at + length].decode("utf-8", "replace"))
        at += length
    return values


def _error(packet: bytes) -> SqlError:
    text = packet[3:].decode("utf-8", "replace")
    return SqlError(int.from_bytes(packet[1:3], "little"), text[6:] if text[:1] == "#" else text)


def _send(exchange: Exchange, sequence: int, payload: bytes) -> None:
    exchange.send(len(payload).to_bytes(3, "little") + bytes([sequence & 0xFF]) + payload)


def _numbered(exchange: Exchange) -> tuple[bytes, int]:
    head = exchange.exactly(4)
    size = int.from_bytes(head[:3], "little")
    payload = exchange.exactly(size) if size else b"\xfe"
    return payload, head[3]


def _packet(exchange: Exchange) -> bytes:
    return _numbered(exchange)[0]
