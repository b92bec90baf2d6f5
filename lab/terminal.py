"""A shell in a node, on the terminal that we were called from."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import termios
import tty
from collections.abc import Sequence
from types import FrameType
from typing import cast

import docker.errors

from quorate.lab.cluster import Lab
from quorate.lib.problem import Failed, Problem


def interactive(lab: Lab, node: str, argv: Sequence[str]) -> int:
    """Run *argv* on *node* with our terminal as its own; its exit code. Raises :class:`Problem` without a terminal."""
    if not sys.stdin.isatty():
        raise Problem("a shell needs a terminal: use `quorate lab exec` instead")
    name = str(lab.container(node).name)
    api = lab.client.api
    try:
        made = api.exec_create(
            name, list(argv), stdin=True, tty=True, environment={"TERM": os.environ.get("TERM", "xterm")}
        )
        stream = api.exec_start(made["Id"], tty=True, socket=True)
    except docker.errors.APIError as error:
        raise Failed(f"node {node}: no shell: {error.explanation}") from error
    link = cast(socket.socket, getattr(stream, "_sock", None) or stream)

    def resize(_signal: int = 0, _frame: FrameType | None = None) -> None:
        size = os.get_terminal_size(sys.stdin.fileno())
        api.exec_resize(made["Id"], height=size.lines, width=size.columns)

    ours = sys.stdin.fileno()
    before = termios.tcgetattr(ours)
    previous = signal.signal(signal.SIGWINCH, resize)
    try:
        tty.setraw(ours)
        resize()
        _relay(ours, link)
    finally:
        termios.tcsetattr(ours, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, previous)
    return int(api.exec_inspect(made["Id"])["ExitCode"] or 0)


def _relay(ours: int, link: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([ours, link.fileno()], [], [])
        if link.fileno() in ready:
            received = link.recv(65536)
            if not received:
                return
            os.write(sys.stdout.fileno(), received)
        if ours in ready:
            link.sendall(os.read(ours, 65536))
