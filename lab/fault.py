"""What is done to a lab, seen to have happened, and taken back: the words that faults are written in."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab


class NotInjected(Failed):
    """The fault was not seen to have happened: whatever the clients saw says nothing about it, the run is void."""


@dataclass(frozen=True)
class Injected:
    """What was seen to have happened: the *nodes* that were hurt, in *words*, and *facts* such as pids."""

    nodes: tuple[str, ...]
    words: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Fault(Protocol):
    """Something that breaks, on nodes that *chance* may choose."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str:
        """One line: what breaks, and how it is seen to have."""

    def available(self, lab: Lab) -> str:
        """Empty when this lab can have it (its topology has the service, its kernel the means), else why not."""

    def inject(self, lab: Lab, chance: random.Random) -> AbstractContextManager[Injected]:
        """Do it and see that it happened, else raise :class:`NotInjected`; leaving the context heals it.

        Healing is done whatever happened meanwhile, and does as much as can be done even when parts of it fail.
        """
