"""Those who ask: one request, one answer, and the connection is closed. Nothing here ever waits for a client."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds that a client has, and how many may have them at once; further ones queue in the kernel.
CLIENT_TIME, CLIENTS = 1.0, 16
# A request longer than this is none.
LONGEST = 4096


class Occupied(Exception):
    """Somebody answers there already."""


class Client:
    __slots__ = ("answer", "connection", "request", "until")

    def __init__(self, connection: socket.socket, until: float) -> None:
        self.connection = connection
        self.until = until
        self.request = b""
        self.answer = b""


class Door:
    """A listening socket in somebody else's poll loop.

    *complete* says whether what came is a whole request, *answer* what to say to it. The loop brings the events of
    descriptors that are ``in`` the door, and calls ``expire`` now and then.
    """

    __slots__ = ("_answer", "_clients", "_complete", "_listener", "_open", "_poll")

    def __init__(
        self,
        poll: select.poll,
        listener: socket.socket,
        complete: Callable[[bytes], bool],
        answer: Callable[[bytes], bytes],
    ) -> None:
        self._poll = poll
        self._listener = listener
        self._complete = complete
        self._answer = answer
        self._clients: dict[int, Client] = {}
        self._open = False
        listener.setblocking(False)
        self._admit()

    def __contains__(self, fd: int) -> bool:
        return fd == self._listener.fileno() or fd in self._clients

    @property
    def busy(self) -> bool:
        return bool(self._clients)

    def handle(self, fd: int, now: float) -> None:
        """Deal with an event on *fd*; one that is closed by now is none of ours and no error."""
        if fd == self._listener.fileno():
            self._accept(now)
        elif fd in self._clients:
            client = self._clients[fd]
            try:
                self._serve(fd, client)
            except BlockingIOError:
                pass
            except OSError:
                self._dismiss(fd)

    def expire(self, now: float) -> None:
        """Close those whose time is over."""
        for fd, client in list(self._clients.items()):
            if client.until <= now:
                self._dismiss(fd)
        if len(self._clients) < CLIENTS:
            self._admit()

    def close(self) -> None:
        for fd in list(self._clients):
            self._dismiss(fd)
        if self._open:
            self._poll.unregister(self._listener.fileno())
            self._open = False
        self._listener.close()

    def _admit(self) -> None:
        if not self._open:
            self._poll.register(self._listener.fileno(), select.POLLIN)
            self._open = True

    def _accept(self, now: float) -> None:
        while len(self._clients) < CLIENTS:
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # No descriptors left: nobody is let in until the next ``expire``.
                break
            connection.setblocking(False)
            fd = connection.fileno()
            self._clients[fd] = Client(connection, now + CLIENT_TIME)
            self._poll.register(fd, select.POLLIN)
        self._poll.unregister(self._listener.fileno())
        self._open = False

    def _serve(self, fd: int, client: Client) -> None:
        if not client.answer:
            data = client.connection.recv(LONGEST)
            client.request += data
            if not data or len(client.request) > LONGEST:
                self._dismiss(fd)
                return
            if not self._complete(client.request):
                return
            client.answer = self._answer(client.request)
            self._poll.modify(fd, select.POLLOUT)
        client.answer = client.answer[client.connection.send(client.answer) :]
        if not client.answer:
            self._dismiss(fd)

    def _dismiss(self, fd: int) -> None:
        client = self._clients.pop(fd)
        self._poll.unregister(fd)
        client.connection.close()
        self._admit()


def listen_unix(path: str) -> socket.socket:
    """Listen at *path*, mode 0600. A socket that nobody answers at is replaced. Raises OSError, Occupied."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        # Nobody shall be able to connect in the moment before a chmod.
        before = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    return listener


def _clear(path: str) -> None:
    """Remove the socket that a dead daemon left; raises Occupied if one lives there."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "there is something that is not a socket", path)
    except FileNotFoundError:
        return
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.settimeout(1.0)
        probe.connect(path)
    except (ConnectionRefusedError, FileNotFoundError):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        return
    except OSError:
        # Its queue is full: it is hung, but it is there.
        pass
    finally:
        probe.close()
    raise Occupied(path)


def listen_loopback(port: int) -> socket.socket:
    """Listen at *port* of the loopback address only. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    return listener


def whole_line(request: bytes) -> bool:
    return b"\n" in request


def whole_head(request: bytes) -> bool:
    return b"\r\n\r\n" in request or b"\n\n" in request


def http(request: bytes, page: Callable[[], str]) -> bytes:
    """The answer to an HTTP request: *page* at /metrics, and nothing anywhere else."""
    words = request.split(b"\n", 1)[0].split()
    if len(words) < 2 or words[0] not in (b"GET", b"HEAD"):
        status, body = "405 Method Not Allowed", b"only GET\n"
    elif words[1].partition(b"?")[0] != b"/metrics":
        status, body = "404 Not Found", b"only /metrics\n"
    else:
        status, body = "200 OK", page().encode()
    head = (
        f"HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    return head if words[:1] == [b"HEAD"] else head + body
