"""A signal to every process of one service, on one node, on two, or on all."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quorate.lab.fault import Injected, NotInjected
from quorate.lab.services import service
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

SIGNALS = {"KILL": 9, "TERM": 15, "STOP": 19}
_ENDED = 30.0
"""Seconds that a service gets to end after SIGTERM, or its kernel to take it apart after SIGKILL."""

# Runs on the node: `find` knows the service's processes by user and command, whichever agent started them.
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
hit, limit = {}, time.monotonic() + want["patience"]
signal = want["signal"]
while True:
    # A main process that lives a moment longer than its worker starts another one: looked up anew until all are hit.
    for process in find() if signal != 15 or not hit else []:
        if (process[0], process[1]) not in hit or signal == 9:
            send(process, signal)
            hit[(process[0], process[1])] = process
    left = [now for now in map(same, hit.values()) if now]
    done = all(now[2] in "Tt" for now in left) if signal == 19 else not left
    if done and (signal == 15 or not [p for p in find() if (p[0], p[1]) not in hit]) or time.monotonic() > limit:
        break
    time.sleep(0.002 if signal == 9 else 0.02)
print(json.dumps({"hit": [list(p) for p in hit.values()], "left": [list(p) for p in left], "done": done}))
"""
)
_CONTINUE = (
    _SCRIPT
    + """
for process in want["pids"]:
    if same(process):
        send(process, 18)
"""
)


@dataclass(frozen=True)
class Signal:
    """*signal* to all processes of *service* on *count* nodes at once. SIGSTOP is taken back by SIGCONT."""

    signal: str
    service: str
    count: int = 1

    @property
    def name(self) -> str:
        where = {1: "", 2: "-on-two", 3: "-on-all"}[self.count]
        return f"{self.signal.lower()}-{self.service}{where}"

    @property
    def about(self) -> str:
        where = {1: "one node", 2: "two nodes", 3: "all nodes"}[self.count]
        return f"SIG{self.signal} to every process of {self.service} on {where}"

    def available(self, lab: Lab) -> str:
        return "" if service(self.service).clone in lab.clones() else f"{self.service} is not in the lab's topology"

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        nodes = tuple(sorted(chance.sample(lab.nodes, self.count)))
        with ThreadPoolExecutor(len(nodes)) as pool:
            seen = dict(zip(nodes, pool.map(lambda node: self._send(lab, node), nodes), strict=True))
        pids = {node: [process[:2] for process in said["hit"]] for node, said in seen.items()}
        words = "; ".join(f"{node}: {len(hit)} processes" for node, hit in pids.items())
        try:
            for node, said in seen.items():
                if not said["hit"]:
                    raise NotInjected(f"node {node}: {self.name}: there was no process of {self.service}")
                if not said["done"]:
                    raise NotInjected(f"node {node}: {self.name}: {len(said['left'])} processes took no notice")
            yield Injected(nodes, f"SIG{self.signal}: {words}", {"pids": pids})
        finally:
            if self.signal == "STOP":
                for node in nodes:
                    self._continue(lab, node, pids[node])

    def _send(self, lab: Lab, node: str) -> dict[str, list[list[object]]]:
        said = self._run(
            lab, node, _SEND, signal=SIGNALS[self.signal], patience=_ENDED if self.signal != "STOP" else 5.0
        )
        return dict(json.loads(said))

    def _continue(self, lab: Lab, node: str, pids: list[list[object]]) -> None:
        try:
            self._run(lab, node, _CONTINUE, pids=pids)
        except Failed:
            # Its power is off: nothing is stopped there any more.
            if node in lab.running():
                raise

    def _run(self, lab: Lab, node: str, script: str, **more: object) -> str:
        what = service(self.service)
        want = json.dumps({"user": what.user, "commands": what.commands, **more})
        return lab.exec(node, ["/usr/bin/python3", "-I", "-S", "-", want], stdin=script, timeout=_ENDED + 10).out
