"""Money moved between accounts: none is made, none is lost, and every node tells the same balances at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from quorate.lab.checker import Verdict
from quorate.lab.checkers.finding import SETTLE, Offences, conclude, nodes_to_read, too_little
from quorate.lab.checkers.subset import Move, explain
from quorate.lab.history import FAIL, INFO, OK, History, Op


@dataclass(frozen=True)
class BankChecker:
    """``transfer`` [from, to, amount] moves money between *accounts* accounts, which begin with equal shares of
    *total*; ``read`` gives {account: balance}, final ones of every node.

    total: a read that does not sum to *total*. accounts: a read that lacks an account or has a strange one. negative:
    a balance below nought, unless *overdraft* says that transfers allow it. diverged: final reads that differ between
    nodes. unexplained: final balances that no choice among the transfers of unknown outcome leads to.
    """

    workload: str
    total: int
    accounts: int
    overdraft: bool = False
    settle: float = SETTLE

    @property
    def name(self) -> str:
        return self.workload

    def check(self, history: History) -> Verdict:
        if self.total % self.accounts:
            raise ValueError(f"{self.total} cannot be shared equally between {self.accounts} accounts")
        ops = history.of(self.workload)
        transfers = [op for op in ops if op.f == "transfer" and op.outcome != FAIL]
        reads = [op for op in ops if op.f == "read" and op.outcome == OK]
        bad = Offences(
            {
                "total": f"reads do not sum to {self.total}",
                "accounts": "reads lack an account or have a strange one",
                "negative": "reads have a balance below nought",
                "diverged": "final reads differ from another node's",
                "unexplained": "final balances are not what the transfers lead to",
            }
        )
        used = {end for op in transfers for end in _move(op)[:2]}
        complete = (op.result.keys() for op in reads if len(op.result) == self.accounts and op.result.keys() >= used)
        names = next(complete, None)
        sound: list[Op] = []
        for op in reads:
            if op.result.keys() != names:
                bad.add("accounts", f"there are {len(op.result)} accounts, or not those of other reads", op)
            elif sum(op.result.values()) != self.total:
                bad.add("total", f"the sum is {sum(op.result.values())}", op)
            elif not self.overdraft and min(op.result.values()) < 0:
                bad.add("negative", f"{min(op.result.values())} in an account", op)
            else:
                sound.append(op)
        # The last answer of each node, in the order in which they were given.
        final = sorted({op.node: op for op in sound if op.final}.values(), key=_began)
        undecided = 0
        for earlier, later in pairwise(final):
            late = [op for op in transfers if op.ended + self.settle >= earlier.began]
            if earlier.result != later.result:
                undecided += 1
                if explain(_difference(earlier, later), [_move(op) for op in late]) is False:
                    undecided -= 1
                    bad.add("diverged", f"{earlier.node} and {later.node} differ", earlier, later)
        for op in {tuple(sorted(op.result.items())): op for op in final}.values():
            explained = self._explained(op, transfers)
            undecided += explained is None
            if explained is False:
                bad.add("unexplained", f"the balances on {op.node}", op)
        done = sum(op.outcome == OK for op in transfers)
        unread = [node for node in nodes_to_read(history, final) if node not in {op.node for op in final}]
        figures = {
            "transfers": done,
            "transfers without outcome": len(transfers) - done,
            "reads": len(reads),
            "nodes read": len(final),
        }
        doubts = (
            too_little(history, self.workload),
            "" if done else "no transfer was ok",
            "" if final and not unread else f"not read at the end: {', '.join(unread) or 'any node'}",
            f"{undecided} final balances cannot be decided: transfers without outcome may explain them"
            if undecided
            else "",
        )
        good = f"{len(reads)} reads sum to {self.total}; {len(final)} nodes agree on what {done} transfers lead to"
        return conclude(self.name, bad, doubts, good, figures)

    def _explained(self, read: Op, transfers: Sequence[Op]) -> bool | None:
        """Whether *read* is what the transfers lead to; None when that would take too long to know."""
        need = {account: balance - self.total // self.accounts for account, balance in read.result.items()}
        free: list[Move] = []
        for op in transfers:
            start, end, amount = _move(op)
            if op.outcome == INFO or op.ended >= read.began:
                if op.began <= read.ended:
                    free.append((start, end, amount))
            else:
                need[start] += amount
                need[end] -= amount
        return explain(need, free)


def _move(op: Op) -> Move:
    # As in a read's result, where JSON has made names of them.
    start, end, amount = op.value
    return str(start), str(end), amount


def _difference(earlier: Op, later: Op) -> dict[str, int]:
    return {account: balance - earlier.result[account] for account, balance in later.result.items()}


def _began(op: Op) -> float:
    return op.began
