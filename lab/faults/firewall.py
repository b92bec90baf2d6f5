"""Packets that do not arrive: rules in a chain of our own on the receiving node, put there, counted and removed.

A packet is dropped where it would arrive: a rule on the sender would tell the program at once (``EPERM``), which no
broken cable does. Connections that exist are cut like new ones. Everything but :class:`Cut` is pure.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quorate.lab.fault import NotInjected
from quorate.lab.faults import mending
from quorate.lab.faults.shapes import Pair
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

CHAIN = "QUORATE-CHAOS"
_SAVED = re.compile(rf"\[(\d+):\d+\] -A {CHAIN} -s ([\d.]+)/32 (.*)")
_LOOK = 0.5
_ASK = 10.0
"""Seconds that a node gets for one of our commands."""


@dataclass(frozen=True)
class Port:
    """A port of *protocol* (``tcp`` or ``udp``)."""

    protocol: str
    number: int

    def __str__(self) -> str:
        return f"{self.protocol} {self.number}"


@dataclass(frozen=True)
class Drops:
    """What is dropped: between the nodes of each of *pairs*, only from and to *port* if given, a *share* of it."""

    pairs: frozenset[Pair]
    port: Port | None = None
    share: float = 1.0

    def rules(self, node: str, addresses: Mapping[str, str]) -> tuple[str, ...]:
        """The rules of the chain on *node*."""
        ports = (
            [f"-p {self.port.protocol} --{end} {self.port.number} " for end in ("dport", "sport")]
            if self.port
            else [""]
        )
        dice = f"-m statistic --mode random --probability {self.share} " if self.share < 1 else ""
        sources = sorted(source for source, destination in self.pairs if destination == node)
        return tuple(
            f"-A {CHAIN} -s {addresses[source]}/32 {port}{dice}-j DROP" for source in sources for port in ports
        )

    def cut(self, node: str, other: str) -> bool:
        """Whether a conversation between the two is impossible."""
        return self.share == 1 and bool({(node, other), (other, node)} & self.pairs)


def install_script(rules: Sequence[str]) -> str:
    """The shell commands that make the chain hold *rules* and every arriving packet pass it: all at once."""
    lines = ["*filter", f":{CHAIN} - [0:0]", *rules, f"-I INPUT 1 -j {CHAIN}", "COMMIT"]
    body = "\n".join(lines)
    return f"{REMOVE}iptables-restore -w --noflush <<'EOF'\n{body}\nEOF\n"


REMOVE = f"""\
set -e
while iptables -w -C INPUT -j {CHAIN} 2>/dev/null; do iptables -w -D INPUT -j {CHAIN}; done
if iptables -w -n -L {CHAIN} >/dev/null 2>&1; then iptables -w -F {CHAIN}; iptables -w -X {CHAIN}; fi
"""
"""The shell commands that leave nothing of the chain; nothing there is fine."""


def counted(saved: str) -> dict[str, int]:
    """How many packets of each source address the chain has dropped, from what ``iptables-save -c`` prints."""
    found: dict[str, int] = defaultdict(int)
    for line in saved.splitlines():
        if match := _SAVED.match(line):
            found[match[2]] += int(match[1])
    return dict(found)


# Runs on a node: who answers? A refusal is an answer, silence is none.
_PROBE = """
import json, socket, sys, threading
want, said = json.loads(sys.argv[1]), {}
def ask(name, address):
    link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    link.settimeout(want["timeout"])
    try:
        link.connect((address, want["port"]))
        said[name] = "answers"
    except ConnectionRefusedError:
        said[name] = "answers"
    except OSError as error:
        said[name] = "is silent"
    link.close()
def shower(address):
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(want["packets"]):
        try:
            link.sendto(b"?", (address, want["shower"]))
        except OSError:
            pass
threads = [threading.Thread(target=ask, args=item) for item in want["ask"].items()]
for thread in threads: thread.start()
for address in want["ask"].values(): shower(address)
for thread in threads: thread.join()
print(json.dumps(said))
"""
_CLOSED = 9
"""A port where nobody listens."""
_PROBE_TIMEOUT = 1.0


class Cut:
    """*drops* on a lab: put there and seen to work by :meth:`install`, kept over reboots, removed by :meth:`remove`."""

    def __init__(self, lab: Lab, drops: Drops) -> None:
        self._lab = lab
        self._drops = drops
        self._addresses = {node: lab.address(node) for node in lab.nodes}
        self._boots: dict[str, tuple[str, str]] = {}
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True, name="cut")

    def install(self) -> str:
        """Put the rules in place on all nodes at once, and see that they do what they say; what was seen.

        Raises :class:`NotInjected`.
        """
        lab = self._lab
        self._boots = {node: mending.boot(lab, node) for node in lab.nodes}
        off = [node for node, (status, _) in self._boots.items() if status != "running"]
        if off:
            raise NotInjected(f"{', '.join(off)} is not running: there is no network to cut")
        self._everywhere(self._apply)
        self._keeper.start()
        return self._audit()

    def remove(self) -> None:
        """Nothing of the rules is left on any node. Raises :class:`Failed` naming the nodes where some may be."""
        self._ended.set()
        if self._keeper.is_alive():
            self._keeper.join(_ASK + 5)
        steps = [partial(mending.persist, self._lab, node, partial(self._clear, node)) for node in self._lab.nodes]
        with mending.healed_by(*steps):
            pass

    def _everywhere(self, act: Callable[[str], object]) -> None:
        with ThreadPoolExecutor(len(self._lab.nodes)) as pool:
            list(pool.map(act, self._lab.nodes))

    def _apply(self, node: str) -> None:
        rules = self._drops.rules(node, self._addresses)
        if rules:
            self._lab.exec(node, ["sh", "-s"], stdin=install_script(rules), timeout=_ASK)

    def _clear(self, node: str) -> None:
        self._lab.exec(node, ["sh", "-s"], stdin=REMOVE, timeout=_ASK)

    def _keep(self) -> None:
        """A cable stays cut when a node is fenced; a node that boots has an empty filter, and is cut off anew."""
        while not self._ended.wait(_LOOK):
            for node in self._lab.nodes:
                try:
                    now = mending.boot(self._lab, node)
                    if now[0] == "running" and now[1] != self._boots[node][1]:
                        self._apply(node)
                        self._boots[node] = now
                except Failed:
                    continue  # it is on its way down or up: looked at again

    # -- seeing that it happened -------------------------------------------------------------------------

    def _audit(self) -> str:
        answers: dict[str, dict[str, str]] = {}
        counts: dict[str, dict[str, int]] = {}
        self._everywhere(lambda node: answers.update({node: self._ask(node)}))
        self._everywhere(lambda node: counts.update({node: self._count(node)}))
        until = time.monotonic() + 3.0
        while time.monotonic() < until and self._uncounted(counts):
            time.sleep(0.2)
            self._everywhere(lambda node: counts.update({node: self._count(node)}))
        wrong = [
            f"{a} is still reached by {b}" if cut else f"{a} does not reach {b}" for a, b, cut in self._wrong(answers)
        ]
        wrong += [f"nothing from {source} was dropped on {node}" for source, node in self._uncounted(counts)]
        if wrong:
            raise NotInjected(f"the cut is not what it should be: {'; '.join(wrong)}")
        dropped = ", ".join(
            f"{source}>{node} {counts[node].get(self._addresses[source], 0)}"
            for source, node in sorted(self._drops.pairs)
            if node in counts
        )
        return f"packets dropped: {dropped}"

    def _wrong(self, answers: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, bool]]:
        """(node, other, whether they should be cut) of each conversation that is not what it should be."""
        if self._drops.share < 1:
            return  # luck decides each of them
        for node, said in answers.items():
            for other, answer in said.items():
                cut = self._drops.cut(node, other)
                if (answer == "is silent") is not cut:
                    yield node, other, cut

    def _uncounted(self, counts: Mapping[str, Mapping[str, int]]) -> list[Pair]:
        """The pairs of which nothing was dropped, where the node still has the rules that would have counted it."""
        return [
            (source, node)
            for source, node in sorted(self._drops.pairs)
            if node in counts and not counts[node].get(self._addresses[source])
        ]

    def _ask(self, node: str) -> dict[str, str]:
        """What each other node says to *node*; nothing about a port of UDP, where silence says nothing."""
        port = self._drops.port
        ask = {name: address for name, address in self._addresses.items() if name != node}
        want = {
            "ask": ask,
            "port": port.number if port and port.protocol == "tcp" else _CLOSED,
            "timeout": _PROBE_TIMEOUT,
            # Corosync's own port is never showered: its packets are authenticated, ours would only fill its log.
            "shower": _CLOSED,
            "packets": 0 if port else 100 if self._drops.share < 1 else 3,
        }
        try:
            said = self._lab.exec(
                node, ["/usr/bin/python3", "-I", "-S", "-", json.dumps(want)], stdin=_PROBE, timeout=_ASK
            ).out
        except Failed:
            if self._fenced(node):
                return {}
            raise
        return dict(json.loads(said)) if not port or port.protocol == "tcp" else {}

    def _count(self, node: str) -> dict[str, int]:
        try:
            return counted(self._lab.exec(node, ["iptables-save", "-c", "-t", "filter"], timeout=_ASK).out)
        except Failed:
            if self._fenced(node):
                return dict.fromkeys(self._addresses.values(), 1)
            raise

    def _fenced(self, node: str) -> bool:
        """A node that was fenced while it was asked was cut off for certain."""
        now = mending.boot(self._lab, node)
        return now[0] != "running" or now[1] != self._boots[node][1]


@contextmanager
def dropping(lab: Lab, drops: Drops) -> Iterator[str]:
    """*drops* while inside; gives what was seen."""
    cut = Cut(lab, drops)
    with mending.healed_by(cut.remove):
        yield cut.install()


def left_over(lab: Lab) -> tuple[str, ...]:
    """The running nodes that hold anything of our chain."""
    return tuple(node for node in lab.running() if CHAIN in lab.exec(node, ["iptables-save"], timeout=_ASK).out)
