"""Whether some of a number of transfers, and not the others, lead from one set of balances to another.

That is a subset sum in several dimensions: exact as long as it stays small, and honest when it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

Move = tuple[str, str, int]
"""From, to, amount."""

MOST_MOVES = 400
"""More transfers than this are not tried: the answer would be that nobody knows."""
WORK = 50_000
"""Sets of balances looked at before the search keeps only some of them."""


def explain(need: Mapping[str, int], moves: Sequence[Move]) -> bool | None:
    """True when some of *moves* change the balances by exactly *need*; False when none do; None when undecided."""
    accounts = sorted({*need, *(end for start, to, _ in moves for end in (start, to))})
    place = {account: i for i, account in enumerate(accounts)}
    target = tuple(need.get(account, 0) for account in accounts)
    # In an order that has done with one account after another, so that what does not fit is found early.
    steps = sorted((min(place[a], place[b]), max(place[a], place[b]), place[a], place[b], n) for a, b, n in moves)
    whole = [_Reach() for _ in accounts]
    for *_, start, end, amount in steps:
        whole[start], whole[end] = whole[start].plus(-amount), whole[end].plus(amount)
    if not all(reach.has(value) for reach, value in zip(whole, target, strict=True)):
        return False
    if len(steps) > MOST_MOVES:
        return None
    # left[i]: what the moves from the i-th on can still do to the two accounts that the one before it touches.
    reach, left = [_Reach() for _ in accounts], []
    for *_, start, end, amount in reversed(steps):
        left.append((reach[start], reach[end]))
        reach[start], reach[end] = reach[start].plus(-amount), reach[end].plus(amount)
    left.reverse()
    limit = max(1, WORK // (len(steps) + 1))
    states, all_kept = {target}, True
    for (*_, start, end, amount), (from_left, to_left) in zip(steps, left, strict=True):
        fresh: set[tuple[int, ...]] = set()
        for state in states:
            done = list(state)
            done[start] += amount
            done[end] -= amount
            for after in (state, tuple(done)):
                if from_left.has(after[start]) and to_left.has(after[end]):
                    fresh.add(after)
        if len(fresh) > limit:
            fresh, all_kept = set(islice(fresh, limit)), False
        states = fresh
    # Whatever is left over now needs nothing more: each account was held to what could still be done to it.
    if states:
        return True
    return False if all_kept else None


class _Reach:
    """The sums that some of a number of amounts can have: bit ``sum + offset`` of *bits*."""

    __slots__ = ("_bits", "_offset")

    def __init__(self, bits: int = 1, offset: int = 0) -> None:
        self._bits, self._offset = bits, offset

    def plus(self, amount: int) -> _Reach:
        """With one more amount to take or leave."""
        return _Reach(self._bits | self._bits << abs(amount), self._offset + max(0, -amount))

    def has(self, total: int) -> bool:
        place = total + self._offset
        return place >= 0 and bool(self._bits >> place & 1)
