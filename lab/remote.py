"""Running a command in a container with a deadline that holds even when the container is frozen.

The engine's own client reads the answer through a buffer that can swallow the first bytes of a fast command,
and blocks without end; this speaks the engine's stream on a socket of its own.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import docker
import docker.errors
import requests.exceptions

from quorate.lab.engine import DEFAULT_HOST
from quorate.lib.problem import Failed, Unavailable

_HEADER = 8
_STDOUT, _STDERR = 1, 2
_GRACE = 2.0
"""Seconds that the command's own time limit gets to end it before the connection is dropped."""


@dataclass(frozen=True)
class ExecResult:
    """How a command ended: its exit code (137: killed at its deadline) and what it wrote."""

    rc: int
    out: str
    err: str


class Deadline(Failed):
    """The command was not done in time."""


def run(
    client: docker.DockerClient,
    container: str,
    argv: Sequence[str],
    *,
    timeout: float,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    user: str = "root",
) -> ExecResult:
    """Run *argv* in *container*; at most *timeout* seconds, then it is killed there and :class:`Deadline` raised.

    Raises :class:`Failed` when the engine cannot run it at all (no such container, not running, paused).
    """
    begun = time.monotonic()
    # `timeout` inside the container ends what we would otherwise leave behind there.
    limited = ["timeout", "--signal=KILL", f"{timeout:.2f}", *argv]
    try:
        made = client.api.exec_create(
            container, limited, stdin=stdin is not None, environment=dict(env or {}), user=user
        )
        out, err = _attach(made["Id"], stdin, begun + timeout + _GRACE)
        rc = client.api.exec_inspect(made["Id"])["ExitCode"]
    except TimeoutError:
        raise Deadline(_late(container, argv, timeout)) from None
    except docker.errors.APIError as error:
        raise Failed(f"{container}: cannot run {argv[0]}: {error.explanation or error}") from error
    except (OSError, requests.exceptions.RequestException) as error:
        raise Failed(f"{container}: the connection to the engine broke while {argv[0]} ran: {error}") from error
    if rc == 137 and time.monotonic() - begun >= timeout:
        raise Deadline(f"{_late(container, argv, timeout)}{_quoted(out, err)}")
    return ExecResult(-1 if rc is None else rc, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def _late(container: str, argv: Sequence[str], timeout: float) -> str:
    return f"{container}: `{' '.join(argv)[:120]}` was not done within {timeout:g} s"


def _quoted(out: bytes, err: bytes) -> str:
    said = (err or out).decode("utf-8", "replace").strip()
    return f"; its last words: {said[-300:]}" if said else ""


def _attach(exec_id: str, stdin: bytes | None, deadline: float) -> tuple[bytes, bytes]:
    link = _connect(deadline)
    with link:
        body = json.dumps({"Detach": False, "Tty": False}).encode()
        link.sendall(
            f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
            f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        pending = b""
        while b"\r\n\r\n" not in pending:
            pending += _receive(link, deadline) or _broken("the engine closed the connection")
        head, _, pending = pending.partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1]
        if status not in (b"101", b"200"):
            raise OSError(pending.decode("utf-8", "replace").strip() or head.decode("latin-1"))
        if stdin is not None:
            link.settimeout(max(0.01, deadline - time.monotonic()))
            link.sendall(stdin)
            link.shutdown(socket.SHUT_WR)
        return _demultiplex(link, pending, deadline)


def _demultiplex(link: socket.socket, pending: bytes, deadline: float) -> tuple[bytes, bytes]:
    streams = {_STDOUT: bytearray(), _STDERR: bytearray()}
    while True:
        while len(pending) >= _HEADER:
            size = int.from_bytes(pending[4:_HEADER], "big")
            if len(pending) < _HEADER + size:
                break
            streams.get(pending[0], streams[_STDERR]).extend(pending[_HEADER : _HEADER + size])
            pending = pending[_HEADER + size :]
        received = _receive(link, deadline)
        if not received:
            return bytes(streams[_STDOUT]), bytes(streams[_STDERR])
        pending += received


def _receive(link: socket.socket, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    link.settimeout(left)
    return link.recv(65536)


def _connect(deadline: float) -> socket.socket:
    host = urlsplit(os.environ.get("DOCKER_HOST") or DEFAULT_HOST)
    left = max(0.01, deadline - time.monotonic())
    if host.scheme == "unix":
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(left)
        link.connect(host.path)
        return link
    if host.scheme in ("tcp", "http") and not os.environ.get("DOCKER_TLS_VERIFY"):
        return socket.create_connection((host.hostname or "localhost", host.port or 2375), left)
    raise Unavailable(f"the lab needs an engine at a socket or at plain tcp, not at {host.geturl()}")


def _broken(reason: str) -> bytes:
    raise OSError(reason)
