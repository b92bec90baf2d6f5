"""One request of a client, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

OK, FAIL, INFO = "ok", "fail", "info"


@dataclass(frozen=True, slots=True)
class Op:
    """One request: *began* and *ended* are seconds on the monotonic clock.

    *outcome* is ``ok``, ``fail`` (certainly not done), or ``info`` (no answer within the deadline: it may have been
    done). *address* is the node that took the request, *detail* says what went wrong.
    """

    service: str
    began: float
    ended: float
    outcome: str
    address: str
    detail: str = ""

    @property
    def seconds(self) -> float:
        return self.ended - self.began
