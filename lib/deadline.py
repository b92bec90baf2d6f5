"""Deadlines taken from the action's own timeout."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.host import Clock

# Pacemaker started its timer before our interpreter ran, and needs an answer before the timer ends:
# a reason that arrives after the timeout is lost, and the operator reads 'timed out' instead of why.
MARGIN = 0.08
MARGIN_MOST = 3.0


class Deadline:
    """A moment on the monotonic clock by which something must be over; seconds throughout."""

    __slots__ = ("clock", "end", "length")

    def __init__(self, clock: Clock, length: float) -> None:
        self.clock = clock
        self.length = length
        self.end = clock.monotonic() + length

    @classmethod
    def of_action(cls, clock: Clock, timeout: float) -> Deadline:
        """The deadline of an action whose timeout is *timeout* seconds: a margin earlier than that."""
        return cls(clock, timeout - min(timeout * MARGIN, MARGIN_MOST))

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.end - self.clock.monotonic())

    def passed(self) -> bool:
        return self.clock.monotonic() >= self.end

    def share(self, fraction: float) -> Deadline:
        """A deadline for a part of what is left."""
        return Deadline(self.clock, self.remaining() * fraction)

    def at_most(self, seconds: float) -> float:
        """*seconds*, or what is left if that is less (but at least 10 ms, so that a socket can be tried)."""
        return max(0.01, min(seconds, self.remaining()))
