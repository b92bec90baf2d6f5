"""Every scenario there is, as records."""

from __future__ import annotations

from quorate.lab.faults.process import Signal
from quorate.lab.scenario import Scenario
from quorate.lab.services import SERVICES
from quorate.lib.problem import Problem

SCENARIOS: tuple[Scenario, ...] = (
    *(
        Scenario(f"kill-{service.name}", f"kill -9 of {service.name} on one node", Signal("KILL", service.name))
        for service in SERVICES
    ),
)


def find(name: str) -> Scenario:
    """The scenario called *name*. Raises :class:`Problem`."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise Problem(f"there is no scenario {name!r}: `quorate chaos list` shows them")
