"""A checker reads a history, and nothing else, and says whether what it knows about was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from quorate.lab.history import History, Op

VALID, INVALID, UNKNOWN = "valid", "invalid", "unknown"
_SEVERITY = (VALID, UNKNOWN, INVALID)
SHOWN = 20
"""Offending operations that a verdict quotes; their number is in the words."""


@dataclass(frozen=True)
class Verdict:
    """*value* (valid, invalid or unknown) in *words*, with *figures* and the *offending* operations, if any."""

    checker: str
    value: str
    words: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    offending: tuple[str, ...] = ()


class Checker(Protocol):
    """Decides about one promise."""

    @property
    def name(self) -> str: ...

    def check(self, history: History) -> Verdict: ...


def worst(values: Sequence[str]) -> str:
    """The one that counts: invalid before unknown before valid; nothing at all is unknown."""
    return max(values, key=_SEVERITY.index, default=UNKNOWN)


def judge(checker: Checker, history: History) -> Verdict:
    """The verdict of *checker*; that of a checker which crashes is unknown."""
    try:
        return checker.check(history)
    except Exception as error:
        return Verdict(checker.name, UNKNOWN, f"the checker crashed: {type(error).__name__}: {error}")


def quote(ops: Sequence[Op]) -> tuple[str, ...]:
    """The first of *ops* as a person reads them."""
    return tuple(
        f"#{op.index} {op.workload} {op.f} {op.value!r} at {op.node or 'no node'}, {op.began:.3f}-{op.ended:.3f} s: "
        f"{op.outcome}{f' {op.result!r}' if op.result is not None else ''}{f' ({op.error})' if op.error else ''}"[:300]
        for op in ops[:SHOWN]
    )
