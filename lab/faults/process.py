"""A signal to every process of one service, on one node, on two, or on all."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from quorate.lab.fault import Injected, NotInjected
from quorate.lab.faults import mending
from quorate.lab.services import service

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

SIGNALS = {"KILL": 9, "TERM": 15, "STOP": 19}
_ENDED = 30.0
"""Seconds that a process gets to end after SIGTERM, or its kernel to take it apart after SIGKILL."""
_STOPPED = 5.0

# Runs on the node: `find` knows the processes by user and command, whichever agent started them.
_SCRIPT = """
import json, os, pwd, sys, time
want = json.loads(sys.argv[1])
uid = pwd.getpwnam(want["user"]).pw_uid if want["user"] else None

def look(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            head, _, tail = file.read().rpartition(")")
        owner = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None
    fields = tail.split()
    # A zombie with threads is only ending: it still holds its sockets.
    gone = fields[0] in "Xx" or (fields[0] == "Z" and int(fields[17]) <= 1)
    return None if gone else (int(pid), int(fields[19]), fields[0], head.partition(" (")[2], owner)

def find():
    seen = [look(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    return [p for p in seen if p and p[3] in want["commands"] and (uid is None or p[4] == uid)]

def same(process):
    now = look(process[0])
    return now if now and now[1] == process[1] else None

def send(process, signal):
    try:
        os.kill(process[0], signal)
    except ProcessLookupError:
        pass
"""
_SEND = (
    _SCRIPT
    + """
begun, hit, signal, sent = time.monotonic(), {}, want["signal"], 0.0
# A main process that lives a moment longer than its worker starts another one, which has to go as well. What is
# there later was started by somebody who noticed.
again = begun + want["again"]
while True:
    fresh = [p for p in find() if (p[0], p[1]) not in hit] if not hit or time.monotonic() < again else []
    for process in fresh:
        hit[(process[0], process[1])] = process
        send(process, signal)
    sent = sent or time.time()
    left = [now for now in map(same, hit.values()) if now]
    over = time.time()
    done = not fresh and (all(now[2] in "Tt" for now in left) if signal == 19 else not left)
    if done or time.monotonic() > begun + want["patience"]:
        break
    time.sleep(0.002 if signal == 9 else 0.02)
print(json.dumps({"hit": list(hit), "left": len(left), "done": done, "sent": sent, "over": over}))
"""
)
_CONTINUE = (
    _SCRIPT
    + """
for process in find():
    if process[2] in "Tt":
        send(process, 18)
time.sleep(0.05)
left = [p[0] for p in find() if p[2] in "Tt"]
sys.exit(f"still stopped: {left}" if left else 0)
"""
)


@dataclass(frozen=True)
class Strike:
    """A signal that was taken: pid and start (ticks) of each process that it *hit*, and two moments.

    Both are seconds of the node's wall clock, which Pacemaker's log there has too: *sent* when the last of those that
    were there at first had been sent it, *over* when the last of all was seen to have taken it (gone, or stopped).
    How long anybody took to react counts from *sent*: by *over* some may have reacted already.
    """

    hit: tuple[tuple[int, int], ...]
    sent: float
    over: float


@dataclass(frozen=True)
class Processes:
    """Those of *user* (any, when empty) whose command name is one of *commands*. The kernel keeps 15 letters of it."""

    user: str
    commands: tuple[str, ...]

    def strike(self, lab: Lab, node: str, signal: str, *, again: float = 0.3) -> Strike:
        """Send *signal* to all of them on *node*, and see that they took it; which, and when.

        Those that appear within *again* seconds get it too, but not with SIGTERM, which lets a process end in
        its own way. Raises :class:`NotInjected` when there is none, or when one is not gone (stopped) in time.
        """
        patience = _STOPPED if signal == "STOP" else _ENDED
        said = json.loads(
            self._run(
                lab,
                node,
                _SEND,
                patience + 10,
                signal=SIGNALS[signal],
                patience=patience,
                again=0 if signal == "TERM" else again,
            )
        )
        if not said["hit"]:
            raise NotInjected(f"node {node}: SIG{signal}: there is no process {' or '.join(self.commands)}")
        if not said["done"]:
            raise NotInjected(f"node {node}: SIG{signal}: {said['left']} processes are not seen to have taken it")
        return Strike(tuple((pid, start) for pid, start in said["hit"]), said["sent"], said["over"])

    def find(self, lab: Lab, node: str) -> list[list[int]]:
        """Pid and start (ticks) of each that lives on *node*."""
        said = self._run(lab, node, _SCRIPT + "print(json.dumps([p[:2] for p in find()]))", 10)
        return list(json.loads(said))

    def let_go(self, lab: Lab, node: str) -> None:
        """SIGCONT to each that is stopped on *node*, and see that none is any more."""
        self._run(lab, node, _CONTINUE, 10)

    def _run(self, lab: Lab, node: str, script: str, timeout: float, **more: Any) -> str:
        want = json.dumps({"user": self.user, "commands": self.commands, **more})
        return lab.exec(node, ["/usr/bin/python3", "-I", "-S", "-", want], stdin=script, timeout=timeout).out


@dataclass(frozen=True)
class Signal:
    """*signal* to all processes of *service* on *count* nodes at once. SIGSTOP is taken back by SIGCONT."""

    signal: str
    service: str
    count: int = 1

    @property
    def name(self) -> str:
        return f"{self.signal.lower()}-{self.service}{mending.suffix(self.count)}"

    @property
    def about(self) -> str:
        taken = "stopped" if self.signal == "STOP" else "gone"
        return f"SIG{self.signal} to every process of {self.service} on {mending.words(self.count)}, each seen {taken}"

    def available(self, lab: Lab) -> str:
        if service(self.service).clone not in lab.clones():
            return f"{self.service} is not in the lab's topology"
        return mending.too_few(lab, self.count)

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        what = service(self.service)
        processes = Processes(what.user, what.commands)
        nodes = mending.choose(lab, chance, self.count)
        healing = [
            partial(mending.persist, lab, node, partial(processes.let_go, lab, node))
            for node in nodes
            if self.signal == "STOP"
        ]
        with mending.healed_by(*healing):
            with ThreadPoolExecutor(len(nodes)) as pool:
                taken = list(pool.map(lambda node: processes.strike(lab, node, self.signal), nodes))
            strikes = dict(zip(nodes, taken, strict=True))
            said = "; ".join(f"{node}: {len(strike.hit)} processes" for node, strike in strikes.items())
            end = "stopped" if self.signal == "STOP" else "gone"
            facts = {"pids": {node: [pid for pid, _ in strike.hit] for node, strike in strikes.items()}}
            yield Injected(
                nodes, f"SIG{self.signal} to {self.service}, all seen {end}: {said}", {**facts, **moments(strikes)}
            )


def moments(strikes: Mapping[str, Strike]) -> dict[str, dict[str, float]]:
    """The moments of *strikes*, given by node, as a fault tells them among its facts: *sent* and *over*, by node."""
    return {
        "sent": {node: strike.sent for node, strike in strikes.items()},
        "over": {node: strike.over for node, strike in strikes.items()},
    }
