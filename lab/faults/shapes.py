"""The shapes of a partition: which node no longer hears which. Pure functions of the nodes' order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

Pair = tuple[str, str]
"""(source, destination): what the first sends does not reach the second."""


def between(some: Sequence[str], others: Sequence[str]) -> frozenset[Pair]:
    """No word between *some* and *others*, either way."""
    return frozenset(pair for a in some for b in others for pair in ((a, b), (b, a)))


def isolate(nodes: Sequence[str]) -> frozenset[Pair]:
    """The first node is alone."""
    return between(nodes[:1], nodes[1:])


def halves(nodes: Sequence[str]) -> frozenset[Pair]:
    """The smaller half at the front of *nodes*, the larger half at their end."""
    middle = len(nodes) // 2
    return between(nodes[:middle], nodes[middle:])


def deaf(nodes: Sequence[str]) -> frozenset[Pair]:
    """The first node hears nobody, but everybody hears it."""
    return frozenset((other, nodes[0]) for other in nodes[1:])


def mute(nodes: Sequence[str]) -> frozenset[Pair]:
    """Nobody hears the first node, but it hears everybody."""
    return frozenset((nodes[0], other) for other in nodes[1:])


def bridge(nodes: Sequence[str]) -> frozenset[Pair]:
    """The last node reaches everybody; the others are in two halves that do not reach each other."""
    rest = nodes[:-1]
    middle = len(rest) // 2
    return between(rest[:middle], rest[middle:])


def shatter(nodes: Sequence[str]) -> frozenset[Pair]:
    """Every node is alone: nobody has a majority."""
    return everybody(nodes)


def everybody(nodes: Sequence[str]) -> frozenset[Pair]:
    """Every pair of nodes, both ways."""
    return frozenset(permutations(nodes, 2))


@dataclass(frozen=True)
class Shape:
    """A shape by *name*, told *about* in words; *cut* turns the nodes, in the order of the parts that they play,
    into the pairs that are cut."""

    name: str
    about: str
    cut: Callable[[Sequence[str]], frozenset[Pair]]


ISOLATE = Shape("isolate", "one node is cut off from all others", isolate)
HALVES = Shape("halves", "the smaller half of the nodes is cut off from the larger one", halves)
DEAF = Shape("deaf", "one node hears nobody, everybody hears it", deaf)
MUTE = Shape("mute", "nobody hears one node, it hears everybody", mute)
BRIDGE = Shape("bridge", "two nodes do not reach each other, both reach the third", bridge)
SHATTER = Shape("shatter", "no node reaches any other", shatter)

SHAPES = (ISOLATE, HALVES, DEAF, MUTE, BRIDGE, SHATTER)
