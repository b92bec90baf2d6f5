"""The lab's power switch: the one container that reaches the engine's socket, and all that it will do with it.

It runs alone in its container (standard library only): ``gateway.py LAB SECRET_FILE [PORT]``. A client gets a
nonce, answers ``SIGNATURE ACTION NODE`` with the signature HMAC-SHA256(secret, "NONCE ACTION NODE"), and is told
``OK …`` or ``ERROR …``. Actions are on, off, reboot, status and list, for nodes of this lab only.
"""

from __future__ import annotations

import hmac
import http.client
import json
import secrets
import socket
import socketserver
import sys
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

PORT = 7421
ENGINE_SOCKET = "/var/run/docker.sock"
ON_A_NODE = ("on", "off", "reboot", "status")
DEADLINE = 10.0
"""Seconds for one exchange with a client, and for a node to be seen off."""


class Refused(Exception):
    """The request is not granted, or the engine did not do it."""


class EngineConnection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(ENGINE_SOCKET)


def call_engine(method: str, path: str) -> tuple[int, Any]:
    """One request to the engine: the HTTP status and the decoded answer."""
    link = EngineConnection("engine")
    try:
        link.request(method, path)
        answer = link.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body else None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Refused(f"the engine does not answer: {error}") from error
    finally:
        link.close()


class Switch:
    """What may be done to the nodes of the lab *name*, through *engine*."""

    def __init__(self, name: str, engine: Callable[[str, str], tuple[int, Any]] = call_engine) -> None:
        self.name = name
        self._engine = engine

    def handle(self, action: str, node: str) -> str:
        """Carry out *action* on *node*; the answer's text. Raises :class:`Refused`."""
        if action == "list":
            return " ".join(f"{name}={power}" for name, (_, power) in sorted(self._nodes().items()))
        if action not in ON_A_NODE:
            raise Refused(f"unknown action {action!r}")
        nodes = self._nodes()
        if node not in nodes:
            raise Refused(f"{node!r} is not a node of the lab {self.name!r}")
        container, power = nodes[node]
        if action == "status":
            return power
        if action in ("off", "reboot"):
            self._off(node, container)
        if action in ("on", "reboot"):
            self._post(f"/containers/{container}/start", 204, 304)
        return action

    def _off(self, node: str, container: str) -> None:
        self._post(f"/containers/{container}/kill", 204, 409)  # 409: it is off already
        deadline = time.monotonic() + DEADLINE
        while self._nodes()[node][1] != "off":
            if time.monotonic() > deadline:
                raise Refused(f"{node!r} is still running {DEADLINE:.0f} s after it was killed")
            time.sleep(0.02)

    def _post(self, path: str, *good: int) -> None:
        status, answer = self._engine("POST", path)
        if status not in good:
            raise Refused(f"the engine answered {status}: {(answer or {}).get('message', '')}")

    def _nodes(self) -> dict[str, tuple[str, str]]:
        """Container and power of each node, by name. The labels decide what belongs to the lab."""
        wanted = {"label": [f"quorate.lab={self.name}", "quorate.role=node"]}
        query = urllib.parse.urlencode({"all": 1, "filters": json.dumps(wanted)})
        status, containers = self._engine("GET", f"/containers/json?{query}")
        if status != 200:
            raise Refused(f"the engine answered {status} instead of a list of containers")
        return {
            entry["Labels"]["quorate.node"]: (
                entry["Id"],
                "on" if entry["State"] in ("running", "paused", "restarting") else "off",
            )
            for entry in containers
        }


def answer(line: str, nonce: str, secret: bytes, switch: Switch) -> str:
    """The answer to the request *line*. A wrong signature is told nothing about the lab."""
    signature, _, request = line.strip().partition(" ")
    right = hmac.new(secret, f"{nonce} {request}".encode(), "sha256").hexdigest()
    if not hmac.compare_digest(signature.encode(), right.encode()):
        return "ERROR wrong secret"
    action, _, node = request.partition(" ")
    try:
        return f"OK {switch.handle(action, node)}"
    except Refused as refusal:
        return f"ERROR {refusal}"


class Server(socketserver.ThreadingTCPServer):
    """The listening gateway: one thread per request, so that a node can be fenced while another is."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], secret: bytes, switch: Switch) -> None:
        super().__init__(address, Exchange)
        self.secret = secret
        self.switch = switch


class Exchange(socketserver.StreamRequestHandler):
    """One nonce, one request, one answer."""

    timeout = DEADLINE
    server: Server

    def handle(self) -> None:
        nonce = secrets.token_hex(16)
        try:
            self.wfile.write(f"{nonce}\n".encode())
            line = self.rfile.readline(512).decode("utf-8", "replace")
            said = answer(line, nonce, self.server.secret, self.server.switch)
            self.wfile.write(f"{said}\n".encode())
        except OSError:
            return  # the client went away: there is nobody to tell
        request = line.strip().partition(" ")[2]
        if not request.startswith(("status", "list")) or not said.startswith("OK"):
            print(f"{self.client_address[0]}: {request}: {said}", flush=True)


def main(argv: list[str]) -> None:
    """Serve until killed."""
    name, secret_file = argv[0], Path(argv[1])
    port = int(argv[2]) if len(argv) > 2 else PORT
    with Server(("", port), secret_file.read_bytes().strip(), Switch(name)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
