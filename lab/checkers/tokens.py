"""Tokens issued, validated and revoked: a good one is accepted everywhere, a revoked one soon nowhere."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from quorate.lab.checker import Verdict
from quorate.lab.checkers.finding import Offences, conclude, once, too_little, unseen_since_fault
from quorate.lab.history import FAIL, OK, History, Op

VALIDATED, GONE = "valid", "gone"


@dataclass(frozen=True)
class TokenChecker:
    """``issue`` ID, each one once; ``validate`` ID gives "valid" or "gone"; ``revoke`` ID.

    lost: gone, although its issue had ended well and nobody had tried to revoke it. stale: accepted more than *lag*
    seconds (for which a node's cache may answer) after it was revoked, or after a node had called it gone.
    unexpected: accepted, but never issued, or not yet. A figure: recovered, whose issue had no answer in time.
    Unknown unless every issued token was validated once.
    """

    workload: str
    lag: float = 35.0

    @property
    def name(self) -> str:
        return self.workload

    def check(self, history: History) -> Verdict:
        ops = history.of(self.workload)
        issues: dict[str, Op] = once(op for op in ops if op.f == "issue")
        revokes: dict[str, list[Op]] = defaultdict(list)
        for op in ops:
            if op.f == "revoke" and op.outcome != FAIL:
                revokes[op.value].append(op)
        checks = [op for op in ops if op.f == "validate" and op.outcome == OK]
        bad = Offences(
            {
                "lost": "tokens were refused that nobody had revoked",
                "stale": f"revoked tokens were accepted more than {self.lag:g} s later",
                "unexpected": "tokens were accepted that nobody had issued",
            }
        )
        # From when on a token is certainly gone: its revocation has ended well, or a node has said so.
        dead: dict[str, float] = defaultdict(lambda: math.inf)
        for token, tries in revokes.items():
            dead[token] = min((op.ended for op in tries if op.outcome == OK), default=math.inf)
        accepted, recovered, refused = 0, set(), 0
        for op in checks:
            issue = issues.get(op.value)
            if op.result == VALIDATED:
                accepted += 1
                if issue is None:
                    bad.add("unexpected", f"{op.value} was never issued", op)
                elif op.ended < issue.began:
                    bad.add("unexpected", f"{op.value} was not issued yet", op, issue)
                elif issue.outcome != OK:
                    # Whoever has a token to show got it: the answer came when nobody waited for it any more.
                    recovered.add(op.value)
            elif op.result == GONE:
                refused += 1
                if issue is None or issue.outcome != OK or issue.ended >= op.began:
                    continue
                if any(revoke.began <= op.ended for revoke in revokes.get(op.value, ())):
                    dead[op.value] = min(dead[op.value], op.ended)
                else:
                    bad.add("lost", f"{op.value} was issued and not revoked", issue, op)
            else:
                raise ValueError(f"#{op.index}: a token is neither valid nor gone but {op.result!r}")
        late, longest = 0, 0.0
        for op in checks:
            if op.result == VALIDATED and op.began > dead[op.value]:
                late, longest = late + 1, max(longest, op.began - dead[op.value])
                if op.began > dead[op.value] + self.lag:
                    after = op.began - dead[op.value]
                    bad.add("stale", f"{op.value} was accepted {after:.1f} s after it was gone", op)
        issued = sum(op.outcome == OK for op in issues.values())
        asked = {op.value for op in checks}
        unread = sum(op.outcome == OK and token not in asked for token, op in issues.items())
        figures = {
            "issued": issued,
            "revoked": sum(any(op.outcome == OK for op in tries) for tries in revokes.values()),
            "accepted": accepted,
            "refused": refused,
            "recovered": len(recovered),
            "accepted after revocation": late,
            "longest acceptance (s)": round(longest, 3),
        }
        doubts = (
            too_little(history, self.workload),
            "" if issued else "no token was issued",
            unseen_since_fault(history, checks, "validation"),
            f"{unread} tokens were never validated" if unread else "",
        )
        good = f"{issued} tokens: {accepted} validations accepted, {refused} refused, each of them rightly"
        return conclude(self.name, bad, doubts, good, figures)
