"""How a checker comes to its verdict: broken promises first, then what cannot be decided, then the good news."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from quorate.lab.checker import INVALID, SHOWN, UNKNOWN, VALID, Verdict, quote
from quorate.lab.history import FAULT, OK, History, Op

ENOUGH = 20
"""Successful operations before the fault without which a run says nothing, unless its header (``enough``, by workload)
says that a slow load needs fewer."""
SETTLE = 10.0
"""Seconds after its end in which an operation without an answer may still take effect: a server that hung may get to
it late. After that, nodes that disagree about it will go on to."""


class Offences:
    """Broken promises, by kind. *kinds* says for each kind how a person calls many of them."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._kinds = kinds
        self._counts = dict.fromkeys(kinds, 0)
        self._quotes: dict[str, list[str]] = {kind: [] for kind in kinds}

    def add(self, kind: str, why: str, *ops: Op) -> None:
        """One more of *kind*: what is wrong, and the operations that show it."""
        self._counts[kind] += 1
        if len(self._quotes[kind]) < SHOWN:
            self._quotes[kind].append(f"{kind}: {why}: {'; '.join(quote(ops))}")

    def __len__(self) -> int:
        return sum(self._counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind, none of them included."""
        return dict(self._counts)

    @property
    def words(self) -> str:
        return "; ".join(f"{count} {self._kinds[kind]}" for kind, count in self._counts.items() if count)

    @property
    def quotes(self) -> tuple[str, ...]:
        """The first of each kind in turn, so that many of one kind hide none of another."""
        turns = (quotes[turn] for turn in range(SHOWN) for quotes in self._quotes.values() if turn < len(quotes))
        return tuple(turns)[:SHOWN]


def conclude(
    name: str,
    offences: Offences,
    doubts: Sequence[str],
    good: str,
    figures: Mapping[str, Any],
) -> Verdict:
    """invalid when there is an offence, whatever is doubtful besides; else unknown with a doubt; else valid."""
    figures = {**figures, **offences.counts}
    doubts = [doubt for doubt in doubts if doubt]
    if len(offences):
        return Verdict(name, INVALID, "; ".join([offences.words, *doubts]), figures, offences.quotes)
    if doubts:
        return Verdict(name, UNKNOWN, "; ".join(doubts), figures)
    return Verdict(name, VALID, good, figures)


def too_little(history: History, workload: str) -> str:
    """Why the run says nothing about *workload*: too few successes before the fault. Empty when there were enough."""
    fault = history.mark(FAULT)
    if fault is None:
        return "there was no fault"
    before = sum(op.outcome == OK and not op.final and op.ended < fault.t for op in history.of(workload))
    enough = history.header.get("enough", {}).get(workload, ENOUGH)
    return "" if before >= enough else f"only {before} operations were ok before the fault: {enough} are needed"


def unseen_since_fault(history: History, ops: Iterable[Op], what: str) -> str:
    """A doubt when none of *ops*, which are called *what*, was ok after the fault. Empty otherwise."""
    fault = history.mark(FAULT)
    seen = fault is not None and any(op.outcome == OK and op.began > fault.t for op in ops)
    return "" if seen else f"no {what} was ok after the fault"


def once(ops: Iterable[Op]) -> dict[Any, Op]:
    """*ops* by their value. Raises :class:`ValueError` when one value is used twice: nothing could be told then."""
    found: dict[Any, Op] = {}
    for op in ops:
        if found.setdefault(op.value, op) is not op:
            raise ValueError(f"{op.f} {op.value!r} was tried twice: #{found[op.value].index} and #{op.index}")
    return found


def nodes_to_read(history: History, reads: Iterable[Op]) -> tuple[str, ...]:
    """The nodes that final reads have to be from: those of the run, and any other that gave one."""
    return tuple(dict.fromkeys([*history.header.get("nodes", ()), *(read.node for read in reads)]))
