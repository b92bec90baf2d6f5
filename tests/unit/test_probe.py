"""Probes against real servers on real sockets: the good answer, and every bad one, within the deadline."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quorate.lib import mysql
from quorate.lib.deadline import Deadline
from quorate.lib.host import RealHost
from quorate.lib.probe import AMQP_HEADER, ProbeError, accepts, amqp_start, http_status

Talk = Callable[[socket.socket], object]
PATIENCE = 0.5
AMQP_START = b"\x01\x00\x00\x00\x00\x01\xf7\x00\x0a\x00\x0a\x00\x09"


class Server:
    """Talks as told on every connection, one thread each, until the test ends."""

    def __init__(self, address: tuple[str, int] | str) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.bind(address)
        self.socket.listen(8)
        self.address = self.socket.getsockname()
        self.talk: Talk = lambda peer: None
        self.connections = 0
        self.over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with peer:
            try:
                self.talk(peer)
            except OSError:
                pass

    def close(self) -> None:
        self.over.set()
        # Wakes the accept; a close alone would leave it.
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
        self.socket.close()

    def silent(self, peer: socket.socket) -> None:
        self.over.wait(10)

    def says(self, data: bytes) -> Talk:
        def talk(peer: socket.socket) -> None:
            peer.recv(4096)
            peer.sendall(data)
            self.over.wait(10)

        return talk

    def drips(self, data: bytes, every: float) -> Talk:
        def talk(peer: socket.socket) -> None:
            for at in range(len(data)):
                if self.over.wait(every):
                    return
                peer.sendall(data[at : at + 1])

        return talk


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0))
    yield made
    made.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Server]:
    made = Server(str(tmp_path / "sql.sock"))
    yield made
    made.close()


def status(server: Server, patience: float = PATIENCE) -> int:
    return http_status(RealHost(), server.address, "/v3", Deadline(time, patience))


def greet(server: Server, patience: float = PATIENCE) -> None:
    amqp_start(RealHost(), server.address, Deadline(time, patience))


def ask(server: Server, patience: float = PATIENCE) -> list[list[str]]:
    return mysql.query(RealHost(), server.address, "root", "SELECT 1", Deadline(time, patience))


PROBES = [pytest.param(status, id="http"), pytest.param(greet, id="amqp")]


def failure(probe: Callable[[Server], object], server: Server) -> ProbeError:
    with pytest.raises(ProbeError) as failed:
        probe(server)
    return failed.value


# --- what every probe promises


@pytest.mark.parametrize("probe", PROBES)
def test_a_silent_server_costs_its_deadline_and_no_more(server: Server, probe: Callable[[Server], object]) -> None:
    server.talk = server.silent
    began = time.monotonic()
    error = failure(probe, server)
    assert PATIENCE - 0.05 <= time.monotonic() - began < PATIENCE + 3
    assert error.silent
    assert not error.refused
    assert error.seen.endswith("accepted the connection but did not answer within 0.5 s")


@pytest.mark.parametrize("probe", PROBES)
def test_a_server_that_closes(server: Server, probe: Callable[[Server], object]) -> None:
    server.talk = lambda peer: peer.recv(4096)
    error = failure(probe, server)
    assert not error.refused
    assert not error.silent
    assert error.seen.endswith("closed the connection without an answer")


@pytest.mark.parametrize("probe", PROBES)
def test_nobody_listens(server: Server, probe: Callable[[Server], object]) -> None:
    server.close()
    error = failure(probe, server)
    assert error.refused
    assert error.seen == f"127.0.0.1:{server.address[1]}: connection refused"


@pytest.mark.parametrize(("probe", "every"), [(status, 0.1), (status, 0.001), (greet, 0.1)])
def test_a_slow_drip_does_not_extend_the_deadline(
    server: Server, probe: Callable[[Server], object], every: float
) -> None:
    # past the deadline each read still waits 10 ms.
    server.talk = server.drips(b"\x01" * 4000, every)
    began = time.monotonic()
    error = failure(probe, server)
    assert time.monotonic() - began < PATIENCE + 3
    assert error.silent


# --- HTTP


@pytest.mark.parametrize("code", [200, 204, 300, 404, 500, 503])
def test_the_status_of_an_answer(server: Server, code: int) -> None:
    server.talk = server.says(b"HTTP/1.1 %d Words of it\r\nA: b\r\n\r\n" % code)
    assert status(server) == code
    assert server.connections == 1


def test_a_status_line_without_words_and_in_pieces(server: Server) -> None:
    server.talk = server.drips(b"HTTP/1.0 204\n", 0.005)
    assert status(server, 5) == 204


def test_what_is_asked(server: Server) -> None:
    asked: list[bytes] = []

    def talk(peer: socket.socket) -> None:
        asked.append(peer.recv(4096))
        peer.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

    server.talk = talk
    status(server)
    lines = asked[0].split(b"\r\n")
    assert lines[0] == b"GET /v3 HTTP/1.0"
    assert b"Host: 127.0.0.1" in lines
    assert asked[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"\n", b"HTTP/1.0\r\n", b"HTTP/1.0 OK\r\n", b"\x00" * 5000, b"200 OK HTTP/1.0\r\n"],
)
def test_what_is_not_http(server: Server, answer: bytes) -> None:
    server.talk = server.says(answer)
    error = failure(status, server)
    assert error.seen == f"127.0.0.1:{server.address[1]} answers, but not in HTTP"
    assert not error.refused


# --- AMQP


def test_a_broker_s_greeting(server: Server) -> None:
    asked: list[bytes] = []

    def talk(peer: socket.socket) -> None:
        asked.append(peer.recv(4096))
        peer.sendall(AMQP_START + b"more of it")

    server.talk = talk
    greet(server)
    assert asked == [AMQP_HEADER]
    assert server.connections == 1


def test_a_greeting_in_pieces(server: Server) -> None:
    server.talk = server.drips(AMQP_START, 0.01)
    greet(server, 5)


@pytest.mark.parametrize(
    "answer",
    [
        # The version the broker would rather speak.
        b"AMQP\x01\x01\x00\x09" + b"\0" * 3,
        b"HTTP/1.1 400 Bad Request\r\n",
        # Connection.Close, and another frame type.
        b"\x01\x00\x00\x00\x00\x01\xf7\x00\x0a\x00\x32",
        b"\x08\x00\x00\x00\x00\x01\xf7\x00\x0a\x00\x0a",
    ],
)
def test_what_is_not_a_broker(server: Server, answer: bytes) -> None:
    server.talk = server.says(answer)
    assert failure(greet, server).seen.endswith("answers, but not with AMQP's Connection.Start")


def test_whether_somebody_accepts(server: Server) -> None:
    assert accepts(RealHost(), server.address, 1)
    server.close()
    assert not accepts(RealHost(), server.address, 1)


def test_a_full_backlog_is_silence_not_refusal(tmp_path: Path) -> None:
    path = str(tmp_path / "full.sock")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        with pytest.raises(ProbeError) as failed:
            mysql.query(RealHost(), path, "root", "SELECT 1", Deadline(time, 0.2))
    assert failed.value.silent
    assert failed.value.seen == f"{path}: did not accept the connection in time"


# --- MySQL


def packet(sequence: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def text(value: bytes | None) -> bytes:
    if value is None:
        return b"\xfb"
    if len(value) < 251:
        return bytes([len(value)]) + value
    if len(value) < 1 << 16:
        return b"\xfc" + len(value).to_bytes(2, "little") + value
    return b"\xfd" + len(value).to_bytes(3, "little") + value


GREETING = packet(0, b"\x0a10.11.6-MariaDB\0" + b"\1\0\0\0" + b"saltsalt\0" + b"\xff\xf7" + b"\0" * 30)
OK = b"\x00\x00\x00\x02\x00\x00\x00"
END = b"\xfe\x00\x00\x02\x00"
SWITCH = b"\xfeunix_socket\0"


def sql_error(code: int, message: bytes) -> bytes:
    return b"\xff" + code.to_bytes(2, "little") + b"#28000" + message


class Script:
    """A server's side of the talk: its greeting, an answer to the log-in, more to each word after it, the result."""

    def __init__(self, logins: list[bytes], result: list[bytes]) -> None:
        self.logins = logins
        self.result = result
        self.heard: list[bytes] = []

    def __call__(self, peer: socket.socket) -> None:
        peer.sendall(GREETING)
        sequence = 2
        for answer in self.logins:
            self.heard.append(peer.recv(65536))
            peer.sendall(packet(sequence, answer))
            sequence += 2
        self.heard.append(peer.recv(65536))
        peer.sendall(b"".join(packet(n + 1, part) for n, part in enumerate(self.result)))
        self.heard.append(peer.recv(65536))


def table(*rows: tuple[bytes | None, ...]) -> list[bytes]:
    columns = len(rows[0]) if rows else 2
    head = [bytes([columns]), *[b"\x03def" + b"\0" * 20] * columns, END]
    return [*head, *[b"".join(text(value) for value in row) for row in rows], END]


def test_rows(database: Server) -> None:
    database.talk = script = Script([OK], table((b"wsrep_ready", b"ON"), (b"wsrep_cluster_status", b"Primary")))
    assert ask(database) == [["wsrep_ready", "ON"], ["wsrep_cluster_status", "Primary"]]
    assert b"root\0\0mysql_native_password\0" in script.heard[0]
    assert script.heard[0][3] == 1
    assert script.heard[1] == packet(0, b"\x03SELECT 1")
    assert database.connections == 1
    until = time.monotonic() + 5
    while len(script.heard) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert script.heard[2] == packet(0, b"\x01")


def test_a_switch_of_the_way_in_is_answered_with_nothing(database: Server) -> None:
    database.talk = script = Script([SWITCH, SWITCH, OK], table((b"1",)))
    assert ask(database) == [["1"]]
    assert script.heard[1] == packet(3, b"")
    assert script.heard[2] == packet(5, b"")


def test_a_server_that_switches_for_ever(database: Server) -> None:
    database.talk = Script([SWITCH] * 20, [])
    assert failure(ask, database).seen == "the server does not let root in over its socket"


def test_nulls_and_long_values(database: Server) -> None:
    long, longer = b"x" * 300, b"y" * 70000
    database.talk = Script([OK], table((None, b"", long), (longer, None, "é".encode())))
    assert ask(database, 5) == [["", "", long.decode()], [longer.decode(), "", "é"]]


def test_no_rows_and_no_result(database: Server) -> None:
    database.talk = Script([OK], table())
    assert ask(database) == []
    database.talk = Script([OK], [OK])
    assert ask(database) == []


@pytest.mark.parametrize(
    ("logins", "result"),
    [
        ([sql_error(1045, b"Access denied")], []),
        ([OK], [sql_error(1045, b"Access denied")]),
        ([OK], [*table((b"1",))[:-1], sql_error(1045, b"Access denied")]),
    ],
    ids=["log-in", "query", "rows"],
)
def test_an_error_packet(database: Server, logins: list[bytes], result: list[bytes]) -> None:
    database.talk = Script(logins, result)
    error = failure(ask, database)
    assert isinstance(error, mysql.SqlError)
    assert (error.code, error.seen) == (1045, "error 1045: Access denied")


def test_a_greeting_that_is_an_error(database: Server) -> None:
    database.talk = lambda peer: peer.sendall(packet(0, b"\xff\x10\x04Too many connections"))
    error = failure(ask, database)
    assert isinstance(error, mysql.SqlError)
    assert error.seen == "error 1040: Too many connections"


@pytest.mark.parametrize("greeting", [b"\x05\0\0\0HTTP/", b"\0\0\0\0", b"\1\0\0\0\x09"])
def test_what_is_not_mysql(database: Server, greeting: bytes) -> None:
    def talk(peer: socket.socket) -> None:
        peer.sendall(greeting)
        database.over.wait(10)

    database.talk = talk
    assert failure(ask, database).seen.endswith("answers, but not in the MySQL protocol")


def test_a_silent_database(database: Server) -> None:
    database.talk = database.silent
    began = time.monotonic()
    assert failure(ask, database).silent
    assert time.monotonic() - began < PATIENCE + 3


def test_no_socket_at_all(tmp_path: Path) -> None:
    path = str(tmp_path / "none.sock")
    with pytest.raises(ProbeError) as failed:
        mysql.query(RealHost(), path, "root", "SELECT 1", Deadline(time, 1))
    assert failed.value.refused
    assert failed.value.seen == f"{path}: {os.strerror(2).lower()}"


@pytest.mark.parametrize("every", [0.1, 0.001])
def test_a_dripping_database_does_not_extend_the_deadline(database: Server, every: float) -> None:
    # past the deadline each read still waits 10 ms.
    database.talk = database.drips(b"\xff\xff\xff\x00" + b"\x0a" * 2000, every)
    began = time.monotonic()
    assert failure(ask, database).silent
    assert time.monotonic() - began < PATIENCE + 3


@pytest.mark.parametrize("row", [b"\x05ab", b"\xff", b"\x01a", b"\xfc\x01"])
def test_a_row_that_is_cut_short_is_a_failed_probe_and_no_crash(database: Server, row: bytes) -> None:
    # IndexError or KeyError, which reaches the operator as an internal error.
    result = table((b"1", b"2"))
    result[-2] = row
    database.talk = Script([OK], result)
    assert failure(ask, database).seen
