"""The power switch is gone when it is needed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import docker.errors

from quorate.lab.fault import Injected, NotInjected
from quorate.lab.faults import mending
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from docker.models.containers import Container

    from quorate.lab.cluster import Lab

_STAYS_OFF = 12.0
"""Seconds after which a node that nobody has given its power back would long have been fenced (6 s are usual)."""
_LEAVE_IT = 25.0
"""Seconds that the cluster gets to fence the node once it can, before we give it its power ourselves."""


@dataclass(frozen=True)
class LostFencing:
    """The gateway is stopped, then one node loses its power: the cluster cannot know that it is off."""

    name: str = "lost-fencing"
    about: str = "the fencing device is lost, then one node's power: nobody can fence it, and it is seen to stay off"

    def available(self, lab: Lab) -> str:
        if not lab.topology.fencing:
            return "the lab's topology has no fencing that could be lost"
        return "" if _gateway(lab) else "the lab has no gateway"

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        (node,) = mending.choose(lab, chance, 1)
        gateway = _gateway(lab)
        if gateway is None:
            raise NotInjected("the lab has no gateway to stop")
        with mending.healed_by(partial(_start, gateway), partial(_power, lab, node)):
            gateway.stop(timeout=1)
            gateway.reload()
            if gateway.status == "running":
                raise NotInjected("the gateway is still running")
            lab.power_off(node)
            until = time.monotonic() + _STAYS_OFF
            while time.monotonic() < until:
                if not mending.is_off(lab, node):
                    raise NotInjected(f"node {node} was given its power back: its fencing was not lost")
                time.sleep(0.5)
            yield Injected((node,), f"gateway stopped; {node} off, and still off after {_STAYS_OFF:.0f} s")


def _gateway(lab: Lab) -> Container | None:
    try:
        return lab.client.containers.get(lab.layout.gateway_container)
    except docker.errors.NotFound:
        return None


def _start(gateway: Container) -> None:
    try:
        gateway.start()
    except docker.errors.APIError as error:
        raise Failed(f"the gateway does not start: {error.explanation}") from error


def _power(lab: Lab, node: str) -> None:
    until = time.monotonic() + _LEAVE_IT
    while mending.is_off(lab, node) and time.monotonic() < until:
        time.sleep(0.5)
    mending.power_on_if_off(lab, node)
