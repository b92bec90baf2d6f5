"""The door: one request, one answer, and nobody can hold it open. Its poll loop is the test's own."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.lib.sentinel.door import (
    CLIENT_TIME,
    CLIENTS,
    LONGEST,
    Door,
    Occupied,
    http,
    listen_loopback,
    listen_unix,
    whole_head,
    whole_line,
)


class House:
    """A door with its loop."""

    def __init__(self, listener: socket.socket) -> None:
        self.poll = select.poll()
        self.asked: list[bytes] = []
        self.answer = b"ok\n"
        self.door = Door(self.poll, listener, whole_line, self.say)

    def say(self, request: bytes) -> bytes:
        self.asked.append(request)
        return self.answer

    def turn(self, now: float = 0.0) -> int:
        """Deal with what there is; returns how many events that were."""
        count = 0
        for _ in range(100):
            events = self.poll.poll(20)
            if not events:
                return count
            count += len(events)
            for fd, _ in events:
                assert fd in self.door
                self.door.handle(fd, now)
        raise AssertionError("the loop spins")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "sock")


@pytest.fixture
def house(path: str) -> Iterator[House]:
    house = House(listen_unix(path))
    yield house
    house.door.close()
    assert house.poll.poll(0) == []


def client(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(2)
    connection.connect(path)
    return connection


def test_a_request_is_answered_and_the_connection_closed(house: House, path: str) -> None:
    with client(path) as connection:
        connection.sendall(b"ping\n")
        house.turn()
        assert connection.recv(100) == b"ok\n"
        assert connection.recv(100) == b""
    assert house.asked == [b"ping\n"]
    assert not house.door.busy
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_request_may_come_in_pieces(house: House, path: str) -> None:
    with client(path) as connection:
        for piece in (b"pi", b"ng", b"\n"):
            connection.sendall(piece)
            house.turn()
        assert connection.recv(100) == b"ok\n"
    assert house.asked == [b"ping\n"]


def test_a_long_answer_is_sent_as_the_client_reads(house: House, path: str) -> None:
    house.answer = os.urandom(5_000_000)
    got = b""
    with client(path) as connection:
        connection.sendall(b"status\n")
        connection.setblocking(False)
        while True:
            for fd, _ in house.poll.poll(0):
                house.door.handle(fd, 0.0)
            try:
                chunk = connection.recv(1 << 20)
            except BlockingIOError:
                continue
            if not chunk:
                break
            got += chunk
    assert got == house.answer


def test_a_client_that_says_nothing_has_its_time_and_no_more(house: House, path: str) -> None:
    with client(path) as connection, client(path) as reader:
        reader.sendall(b"half")
        house.turn(now=10.0)
        house.door.expire(10.0 + CLIENT_TIME - 0.01)
        assert house.door.busy
        house.door.expire(10.0 + CLIENT_TIME)
        assert not house.door.busy
        assert connection.recv(1) == b""
        with pytest.raises(BrokenPipeError):
            reader.sendall(b"\n")
    assert house.asked == []


def test_a_client_that_goes_or_talks_without_end_is_dismissed(house: House, path: str) -> None:
    client(path).close()
    with client(path) as connection:
        connection.sendall(b"x" * (2 * LONGEST))
        house.turn()
    with client(path) as gone:
        gone.sendall(b"status\n")
    house.answer = b"x" * 1_000_000
    house.turn()
    assert not house.door.busy


def test_only_so_many_at_once_and_the_others_wait(house: House, path: str) -> None:
    connections = [client(path) for _ in range(CLIENTS + 5)]
    house.turn(now=1.0)
    for connection in connections:
        connection.sendall(b"ping\n")
    # Those that were let in are answered; their leaving lets in the next.
    house.turn(now=1.0)
    assert len(house.asked) == CLIENTS + 5
    for connection in connections:
        assert connection.recv(10) == b"ok\n"
        connection.close()


def test_silent_ones_that_fill_the_door_are_cleared_away(house: House, path: str) -> None:
    silent = [client(path) for _ in range(CLIENTS)]
    house.turn(now=1.0)
    late = client(path)
    late.sendall(b"ping\n")
    house.turn(now=1.5)
    assert house.asked == []
    house.door.expire(1.0 + CLIENT_TIME)
    house.turn(now=2.1)
    assert late.recv(10) == b"ok\n"
    for connection in (*silent, late):
        connection.close()


def test_an_event_of_a_client_that_is_gone_is_nothing(house: House, path: str) -> None:
    with client(path):
        for fd, _ in house.poll.poll(100):
            house.door.handle(fd, 0.0)
        house.door.expire(99.0)
        house.door.handle(9999, 0.0)
    assert 9999 not in house.door


def test_without_descriptors_the_loop_does_not_spin(house: House, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with client(path) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(
                socket.socket, "accept", lambda self: (_ for _ in ()).throw(OSError(24, "Too many open files"))
            )
            assert house.turn() == 1
        house.door.expire(1.0)
        connection.sendall(b"ping\n")
        house.turn()
        assert connection.recv(10) == b"ok\n"


# --- where it listens


def test_a_dead_ones_socket_is_replaced_and_a_living_ones_is_not(path: str) -> None:
    listen_unix(path).close()
    assert os.path.exists(path)
    with listen_unix(path), pytest.raises(Occupied):
        listen_unix(path)
    assert os.path.exists(path)


def test_a_hung_one_is_there_all_the_same(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(path)
        hung.listen(0)
        with client(path), pytest.raises(Occupied):
            listen_unix(path)


def test_what_is_no_socket_is_left_alone(path: str) -> None:
    Path(path).write_text("important")
    with pytest.raises(OSError, match="not a socket"):
        listen_unix(path)
    assert Path(path).read_text() == "important"


def test_the_metrics_are_on_the_loopback_only() -> None:
    with listen_loopback(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


# --- HTTP


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"200 OK", b"page\n"),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"200 OK", b"page\n"),
        (b"HEAD /metrics HTTP/1.0\r\n\r\n", b"200 OK", b""),
        (b"GET / HTTP/1.1\r\n\r\n", b"404 Not Found", b"only /metrics\n"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed", b"only GET\n"),
        (b"\r\n\r\n", b"405 Method Not Allowed", b"only GET\n"),
    ],
)
def test_http(request_: bytes, status: bytes, body: bytes) -> None:
    assert whole_head(request_)
    head, _, said = http(request_, lambda: "page\n").partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"HTTP/1.0 " + status
    assert said == body


def test_when_a_request_is_whole() -> None:
    assert not whole_head(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert whole_head(b"GET /metrics HTTP/1.0\n\n")
    assert not whole_line(b"ping")
