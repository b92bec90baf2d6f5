"""Those who ask: one request, one answer, and the connection is closed. Nothing here ever waits for a client."""

from __future__ import annotations

import _socket
import errno
import os
import select
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
    __slots__ = ("answer", "until", "request", "socket")

    def __init__(self, socket: _socket.socket, until: float) -> None:
        self.socket = socket
        self.until = until
        self.request = b""
        self.answer = b""


class Door:
    """A listening socket in somebody else's poll loop.

    *complete* says whether what came is a whole request, *answer* what to say to it. The loop brings the events of
    descriptors that are ``in`` the door, and calls ``expire`` now and then.
    """

    __slots__ = ("_answer", "_clients", "_complete", "_listener", "_poll")

    def __init__(
        self,
        poll: select.poll,
        listener: _socket.socket,
        complete: Callable[[bytes], bool],
        answer: Callable[[bytes], bytes],
    ) -> None:
        self._poll = poll
        self._listener = listener
        self._complete = complete
        self._answer = answer
        self._clients: dict[int, Client] = {}
        listener.setblocking(False)
        poll.register(listener.fileno(), select.POLLIN)

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

    def close(self) -> None:
        for fd in list(self._clients):
            self._dismiss(fd)
        if self._listener.fileno() >= 0:
            self._poll.unregister(self._listener.fileno())
            self._listener.close()

    def _accept(self, now: float) -> None:
        while len(self._clients) < CLIENTS:
            try:
                fd, _ = self._listener._accept()
            except OSError:
                # Nobody any more; or no descriptors, and then it is tried again when the next one leaves.
                return
            connection = _socket.socket(fileno=fd)
            connection.setblocking(False)
            self._clients[fd] = Client(connection, now + CLIENT_TIME)
            self._poll.register(fd, select.POLLIN)
        self._poll.unregister(self._listener.fileno())

    def _serve(self, fd: int, client: Client) -> None:
        if not client.answer:
            data = client.socket.recv(LONGEST)
            client.request += data
            if not data or len(client.request) > LONGEST:
                self._dismiss(fd)
                return
            if not self._complete(client.request):
                return
            client.answer = self._answer(client.request)
            self._poll.modify(fd, select.POLLOUT)
        client.answer = client.answer[client.socket.send(client.answer) :]
        if not client.answer:
            self._dismiss(fd)

    def _dismiss(self, fd: int) -> None:
        client = self._clients.pop(fd)
        self._poll.unregister(fd)
        client.socket.close()
        if len(self._clients) == CLIENTS - 1:
            # Registering what is registered already changes nothing.
            self._poll.register(self._listener.fileno(), select.POLLIN)


def listen_unix(path: str) -> _socket.socket:
    """Listen at *path*, mode 0600. A socket that nobody answers at is replaced. Raises OSError, Occupied."""
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
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
    probe = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
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


def listen_loopback(port: int) -> _socket.socket:
    """Listen at *port* of the loopback address only. Raises OSError."""
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
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
