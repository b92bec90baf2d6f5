"""The network between the nodes: partitions of every shape, single ports, lost packets."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quorate.lab.fault import Injected
from quorate.lab.faults.firewall import Drops, Port, dropping
from quorate.lab.faults.shapes import Shape, everybody

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab


@dataclass(frozen=True)
class Partition:
    """*shape* between the nodes, for one *port* alone if given. *lead*: the DC plays the first part, not chance.

    Clients and the power switch are not part of it: they reach every node.
    """

    shape: Shape
    port: Port | None = None
    lead: bool = False

    @property
    def name(self) -> str:
        port = f"-{self.port.protocol}-{self.port.number}" if self.port else ""
        return f"partition-{self.shape.name}{port}"

    @property
    def about(self) -> str:
        port = f", for {self.port} only" if self.port else ""
        dc = ", the DC among the first" if self.lead else ""
        return f"{self.shape.about}{dc}{port}; connections that exist are cut too"

    def available(self, lab: Lab) -> str:
        if not self.shape.cut(lab.nodes):
            return f"{len(lab.nodes)} nodes are too few for the shape {self.shape.name}"
        return ""

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        nodes = list(lab.nodes)
        chance.shuffle(nodes)
        if self.lead:
            dc = lab.health().dc
            nodes.sort(key=lambda node: node != dc)
        pairs = self.shape.cut(nodes)
        with dropping(lab, Drops(pairs, self.port)) as seen:
            hurt = tuple(node for node in lab.nodes if node in _hurt(nodes, pairs))
            words = ", ".join(f"{source} -> {destination}" for source, destination in sorted(pairs))
            yield Injected(hurt, f"cut {words}; {seen}", {"pairs": sorted(pairs)})


def _hurt(nodes: Sequence[str], pairs: frozenset[tuple[str, str]]) -> set[str]:
    """Those that suffer most: all that are in as many cut pairs as any other."""
    count = {node: sum(node in pair for pair in pairs) for node in nodes}
    return {node for node in nodes if count[node] == max(count.values())}


@dataclass(frozen=True)
class Loss:
    """A *share* of all packets between any two nodes is lost, each way."""

    share: float

    @property
    def name(self) -> str:
        return f"loss-{self.share * 100:.0f}"

    @property
    def about(self) -> str:
        return f"{self.share:.0%} of the packets between the nodes are lost, each way"

    def available(self, lab: Lab) -> str:
        return "" if len(lab.nodes) > 1 else "one node has no network to lose packets in"

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        pairs = everybody(lab.nodes)
        with dropping(lab, Drops(pairs, share=self.share)) as seen:
            yield Injected(lab.nodes, f"{self.share:.0%} lost; {seen}", {"pairs": sorted(pairs)})
