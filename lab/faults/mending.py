"""What every fault needs: which nodes it takes, what a node's power is, and healing that goes on when a part fails."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import docker.errors
import requests.exceptions

from quorate.lab.fault import NotInjected
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

ALL = 0
"""How many nodes a fault takes, when it is every node that the lab has."""
_SUFFIX = {1: "", 2: "-on-two", ALL: "-on-all"}
_WORDS = {1: "one node", 2: "two nodes", ALL: "all nodes"}
_OFF = ("created", "exited", "dead")
_PAUSE = 0.5
ENGINE_ERRORS = (docker.errors.APIError, requests.exceptions.RequestException)
"""How the engine says that it does not do something, or is not there."""
_HEALING = 20.0
"""Seconds that one step of healing gets: more than an engine needs to come back."""


def suffix(count: int) -> str:
    """What the name of a fault on *count* nodes ends with."""
    return _SUFFIX[count]


def words(count: int) -> str:
    """*count* nodes in words."""
    return _WORDS[count]


def too_few(lab: Lab, count: int) -> str:
    """Why *lab* cannot have a fault on *count* nodes; empty when it can."""
    return f"it takes {count} nodes and the lab has {len(lab.nodes)}" if count > len(lab.nodes) else ""


def choose(lab: Lab, chance: random.Random, count: int) -> tuple[str, ...]:
    """*count* nodes of the lab, in the lab's order."""
    chosen = chance.sample(lab.nodes, count or len(lab.nodes))
    return tuple(node for node in lab.nodes if node in chosen)


def boot(lab: Lab, node: str) -> tuple[str, str]:
    """The node's state (``running``, ``paused``, ``exited``…) and when its life began: another one after a reboot."""
    state = lab.container(node).attrs["State"]
    return str(state["Status"]), str(state["StartedAt"])


def is_off(lab: Lab, node: str) -> bool:
    """Whether the node's power is off. A frozen node is on."""
    return boot(lab, node)[0] in _OFF


def power_on_if_off(lab: Lab, node: str) -> None:
    """Power for a node that nobody has given it back to."""

    def step() -> None:
        if is_off(lab, node):
            lab.power_on(node)

    again(step)


def unfreeze(lab: Lab, node: str) -> None:
    """The node runs on if it is frozen; one that was fenced meanwhile is not any more."""

    def step() -> None:
        if boot(lab, node)[0] == "paused":
            lab.container(node).unpause()

    again(step)


def again(step: Callable[[], object], patience: float = _HEALING) -> None:
    """Do *step* until it succeeds; after *patience* seconds raises what it raised."""
    until = time.monotonic() + patience
    while True:
        try:
            step()
            return
        except (Failed, *ENGINE_ERRORS):
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)


def await_seen(what: str, seen: Callable[[], bool], patience: float, pause: float = 0.1) -> None:
    """Until *seen*, at most *patience* seconds; then :class:`NotInjected` says that *what* did not happen."""
    until = time.monotonic() + patience
    while not seen():
        if time.monotonic() > until:
            raise NotInjected(f"{what}: not seen within {patience:.0f} s")
        time.sleep(pause)


def persist(lab: Lab, node: str, step: Callable[[], object], patience: float = _HEALING) -> None:
    """Do *step* on *node* until it succeeds, as long as the node's power is on.

    A node that is fenced while it is being healed loses what its memory held, and a booting one answers late.
    Raises what *step* raised after *patience* seconds.
    """

    def unless_off() -> None:
        try:
            step()
        except Failed:
            if not is_off(lab, node):
                raise

    again(unless_off, patience)


@contextmanager
def healed_by(*steps: Callable[[], object]) -> Iterator[None]:
    """Leaving the context does every one of *steps*, whatever happened inside and whichever of them fail.

    A failed step is a :class:`Failed` at the end; when something is on its way out already it only adds to that.
    """
    try:
        yield
    except BaseException as error:
        for trouble in _all(steps):
            error.add_note(f"healing: {trouble}")
        raise
    troubles = _all(steps)
    if troubles:
        raise Failed(f"healing is incomplete: {'; '.join(troubles)}")


def _all(steps: Sequence[Callable[[], object]]) -> list[str]:
    troubles = []
    for step in steps:
        try:
            step()
        except Exception as error:
            troubles.append(str(error) or type(error).__name__)
    return troubles
