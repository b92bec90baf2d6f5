"""Messages published and consumed: what the broker confirmed arrives, and nothing that nobody published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quorate.lab.checker import Verdict
from quorate.lab.checkers.finding import SETTLE, Offences, conclude, once, too_little
from quorate.lab.history import FAIL, INFO, OK, History, Op


@dataclass(frozen=True)
class QueueChecker:
    """``publish`` N, each number once; ``consume`` gives a number or nothing; final ``drain`` gives a list of them,
    and the last one an empty list.

    lost: confirmed, and never seen, although the queue was drained. A consume that ended without outcome and without
    a number may have taken one message with it, a drain any number (at most its value, if that is one): that many of
    the missing messages are uncertain, which makes the verdict unknown; only what is missing beyond is lost.
    unexpected: seen, but never published, certainly not accepted, or seen before it was published.

    Figures, not offences, for AMQP delivers at least once: recovered (the confirm never came, the message did),
    redelivered (seen again while nobody knows whether the acknowledgement had arrived), duplicated (seen again in an
    operation that began after another one had acknowledged it).
    """

    workload: str
    settle: float = SETTLE

    @property
    def name(self) -> str:
        return self.workload

    def check(self, history: History) -> Verdict:
        ops = history.of(self.workload)
        published: dict[int, Op] = once(op for op in ops if op.f == "publish")
        taking = [op for op in ops if op.f in ("consume", "drain")]
        seen: dict[int, list[Op]] = {}
        for op in taking:
            for n in _numbers(op):
                seen.setdefault(n, []).append(op)
        bad = Offences({"lost": "confirmed messages are lost", "unexpected": "messages arrived that nobody published"})
        for n, sightings in sorted(seen.items()):
            if n not in published:
                bad.add("unexpected", f"{n} was never published", sightings[0])
            elif published[n].outcome == FAIL:
                bad.add("unexpected", f"{n} was certainly not accepted", published[n], sightings[0])
            elif early := [op for op in sightings if op.ended < published[n].began]:
                bad.add("unexpected", f"{n} was seen before it was published", early[0], published[n])
        confirmed = [op for op in published.values() if op.outcome == OK]
        missing = [op for op in confirmed if op.value not in seen]
        drained = _drained(ops)
        certain = self._certain(missing, taking) if drained else []
        for op in certain:
            bad.add("lost", "confirmed and never seen again", op)
        again = [_again(sightings) for sightings in seen.values() if len(sightings) > 1]
        figures = {
            "published": len(published),
            "confirmed": len(confirmed),
            "consumed": sum(op.f == "consume" and bool(_numbers(op)) for op in taking),
            "drained": sum(len(_numbers(op)) for op in taking if op.f == "drain"),
            "uncertain": len(missing) - len(certain),
            "recovered": sum(published[n].outcome == INFO for n in seen if n in published),
            "redelivered": sum(redelivered for redelivered, _ in again),
            "duplicated": sum(duplicated for _, duplicated in again),
        }
        left = len(missing) - len(certain)
        doubts = (
            too_little(history, self.workload),
            "" if confirmed else "nothing was confirmed",
            "" if drained else "the queue was not drained to its end",
            f"{left} confirmed messages are missing that consumers without an answer may have taken"
            if drained and left
            else "",
        )
        return conclude(self.name, bad, doubts, f"all {len(confirmed)} confirmed messages arrived", figures)

    def _certain(self, missing: Sequence[Op], taking: Sequence[Op]) -> list[Op]:
        """Those of the *missing* messages' publishes that no operation without an answer can account for.

        One that was over before a message was published did not take that one; otherwise any may have taken any.
        """
        takers = sorted(((op.ended + self.settle, _share(op)) for op in taking), reverse=True)
        certain: list[Op] = []
        spare, turn = 0.0, 0
        # The last published first: it has the fewest takers, and each of them could have taken any earlier one too.
        for op in sorted(missing, key=_began, reverse=True):
            while turn < len(takers) and takers[turn][0] >= op.began:
                spare += takers[turn][1]
                turn += 1
            if spare >= 1:
                spare -= 1
            else:
                certain.append(op)
        return certain[::-1]


def _numbers(op: Op) -> Sequence[int]:
    """The messages that *op* saw. One whose acknowledgement is uncertain has seen its message all the same."""
    if op.outcome == FAIL or op.result is None:
        return ()
    return op.result if op.f == "drain" else (op.result,)


def _share(op: Op) -> float:
    """How many messages *op* may have taken without anybody knowing."""
    if op.outcome != INFO or op.result is not None:
        return 0
    if op.f == "consume":
        return 1
    return op.value if isinstance(op.value, int) else math.inf


def _drained(ops: Sequence[Op]) -> bool:
    """Whether the last look into the queue found it empty, after everything else had been asked and confirmed."""
    drains = [op for op in ops if op.f == "drain" and op.outcome == OK]
    if not drains:
        return False
    last = max(drains, key=_began)
    confirmed = max((op.ended for op in ops if op.f == "publish" and op.outcome == OK), default=0.0)
    return last.result == [] and confirmed <= last.began and all(op.began <= last.began for op in ops)


def _again(sightings: Sequence[Op]) -> tuple[int, int]:
    """How many *sightings* of one message after its first are explained by an uncertain acknowledgement, how many not.

    One is not when it began after another one had ended well: the message was acknowledged by then.
    """
    acknowledged = min((op.ended for op in sightings if op.outcome == OK), default=math.inf)
    duplicated = sum(op.began > acknowledged for op in sightings)
    return len(sightings) - 1 - duplicated, duplicated


def _began(op: Op) -> float:
    return op.began
