"""Objects created, listed and deleted through an API: what was created is listed, what was deleted stays away."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from quorate.lab.checker import Verdict
from quorate.lab.checkers.finding import Offences, conclude, once, too_little, unseen_since_fault
from quorate.lab.history import FAIL, INFO, OK, History, Op


@dataclass(frozen=True)
class CatalogueChecker:
    """``create-KIND`` and ``delete-KIND`` NAME, each name created once, and ``list-KINDs``, which gives names. Those
    that do not begin with *prefix* are somebody else's. A delete is ok only when there was something to delete.

    lost: not in a list that began after its create had ended well, or after another list had shown it, and nobody had
    tried to delete it. resurrected: in a list that began after its delete had ended well, or after it had been seen
    to be gone. unexpected: listed, but never tried, certainly not created, or not yet. duplicated: twice in a list.
    Unknown unless what was acknowledged was listed once more.
    """

    workload: str
    prefix: str = ""
    kinds: tuple[str, ...] = ("keypair", "flavor")

    @property
    def name(self) -> str:
        return self.workload

    def check(self, history: History) -> Verdict:
        ops = history.of(self.workload)
        bad = Offences(
            {
                "lost": "objects are missing from a list",
                "resurrected": "deleted objects came back",
                "unexpected": "objects are listed that nobody created",
                "duplicated": "objects are listed twice",
            }
        )
        created = deleted = recovered = unread = 0
        lists: list[Op] = []
        for kind in self.kinds:
            of_kind = [op for op in ops if op.f == f"list-{kind}s" and op.outcome == OK]
            seen = self._check_kind(kind, ops, sorted(of_kind, key=_began), bad)
            created, deleted = created + seen.created, deleted + seen.deleted
            recovered, unread = recovered + seen.recovered, unread + seen.unread
            lists += of_kind
        figures = {"created": created, "deleted": deleted, "lists": len(lists), "recovered": recovered}
        doubts = (
            too_little(history, self.workload),
            "" if created else "nothing was created",
            unseen_since_fault(history, lists, "list"),
            f"{unread} objects were not looked for after their last change" if unread else "",
        )
        good = f"{len(lists)} lists show what {created} creates and {deleted} deletes leave"
        return conclude(self.name, bad, doubts, good, figures)

    def _check_kind(self, kind: str, ops: Sequence[Op], lists: Sequence[Op], bad: Offences) -> _Seen:
        creates: dict[str, Op] = once(op for op in ops if op.f == f"create-{kind}")
        tried: dict[str, float] = {}
        gone: dict[str, float] = {}
        for op in ops:
            if op.f == f"delete-{kind}" and op.outcome != FAIL:
                tried[op.value] = min(op.began, tried.get(op.value, math.inf))
                if op.outcome == OK:
                    gone[op.value] = min(op.ended, gone.get(op.value, math.inf))
        acknowledged = {name: op.ended for name, op in creates.items() if op.outcome == OK}
        deleted = dict(gone)
        # From when on an object is certainly there, unless it was deleted.
        known, strange = dict(acknowledged), set()
        for listed in lists:
            for name, times in Counter(n for n in listed.result if n.startswith(self.prefix)).items():
                if times > 1:
                    bad.add("duplicated", f"{name} is listed {times} times", listed)
                create = creates.get(name)
                if create is not None and create.outcome != FAIL and create.began <= listed.ended:
                    known[name] = min(listed.ended, known.get(name, math.inf))
                elif name not in strange:
                    strange.add(name)
                    why = (
                        "never created"
                        if create is None
                        else "certainly not created"
                        if create.outcome == FAIL
                        else "not created yet"
                    )
                    bad.add("unexpected", f"{name} was {why}", listed, *([create] if create else []))
        order = sorted(known, key=known.__getitem__)
        there: set[str] = set()
        back: set[str] = set()
        turn = 0
        for listed in lists:
            while turn < len(order) and known[order[turn]] < listed.began:
                there.add(order[turn])
                turn += 1
            names = set(listed.result)
            # Each object leaves `there` once, so that the work is that of reading the lists.
            for name in sorted(there - names):
                there.remove(name)
                if tried.get(name, math.inf) <= listed.ended:
                    gone[name] = min(listed.ended, gone.get(name, math.inf))
                else:
                    bad.add("lost", f"{name} is not listed", creates[name], listed)
            for name in names - back:
                if gone.get(name, math.inf) < listed.began:
                    back.add(name)
                    bad.add("resurrected", f"{name} was gone at {gone[name]:.3f} s", listed)
        last = max((listed.began for listed in lists), default=-math.inf)
        kept = {name: at for name, at in acknowledged.items() if name not in tried}
        return _Seen(
            created=len(acknowledged),
            deleted=len(deleted),
            recovered=sum(creates[name].outcome == INFO for name in known),
            unread=sum(at >= last for at in (*kept.values(), *deleted.values())),
        )


@dataclass(frozen=True)
class _Seen:
    """Figures of one kind of object."""

    created: int
    deleted: int
    recovered: int
    unread: int


def _began(op: Op) -> float:
    return op.began
