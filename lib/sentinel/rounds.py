"""The looks, about once a second at each instance, from one thread; what answers slowly gets a thread of its own.

One round looks at all, one after the other: a look costs a third of what it costs after a sleep of its own, when the
processor has forgotten everything. The rounds are scattered, so that those of several nodes do not keep step.

The first deadline is short, so that a service that hangs delays the looks at the others by that only. A look that
needs longer proves nothing; the service is then looked at from a thread of its own, and waited for as long as its own
monitor would, until it is quick again.
"""

from __future__ import annotations

import random
import threading
from queue import Empty, SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from quorate.lib.host import Clock
    from quorate.lib.sentinel.looks import Look, Looker

# Seconds: between two rounds, and by what share of that they are scattered; the two deadlines of a look.
EVERY, JITTER = 1.0, 0.04
QUICK, WHOLE = 0.2, 1.0
# A sleep or a look that takes this much longer than it should says that this daemon was not let run.
LATE = 0.5
# The longest sleep: within it, a thread that is alive shows it.
BEAT = 2.0


class Rounds:
    """Looks at whatever it was given, and hands each result to *tell*.

    *tell* gets a Look, or None when the looks themselves were late; it is called from the threads of this class.
    """

    __slots__ = ("_chance", "_clock", "_lookers", "_queue", "_tell", "_thread", "_together", "beat", "every")

    def __init__(self, clock: Clock, tell: Callable[[Look | None], object], *, every: float = EVERY) -> None:
        self._clock = clock
        self._tell = tell
        # What to look at, by its instance; a looker that *returns* comes back from a thread of its own.
        self._queue: SimpleQueue[tuple[str, Looker | None, bool]] = SimpleQueue()
        # Who looks at each instance, and which of these take part in the common round. The common thread's.
        self._lookers: dict[str, Looker] = {}
        self._together: dict[str, Looker] = {}
        self._thread = threading.Thread(target=self._run, name="looks", daemon=True)
        self.beat = clock.monotonic()
        self.every = every
        self._chance = random.Random()

    def start(self) -> None:
        self._thread.start()

    def look_at(self, looker: Looker) -> None:
        """Look at this instance from now on, in this way."""
        self._queue.put((looker.watched.instance, looker, False))

    def leave(self, instance: str) -> None:
        """Look at it no more."""
        self._queue.put((instance, None, False))

    def going(self, now: float) -> bool:
        """Whether the looks go on."""
        return self._thread.is_alive() and now - self.beat < 2 * BEAT + LATE

    # --- the common thread

    def _run(self) -> None:
        due = self._clock.monotonic() + self.every * self._chance.random()
        while True:
            now = self.beat = self._clock.monotonic()
            wait = max(0.0, due - now) if self._together else BEAT
            try:
                self._take(*self._queue.get(timeout=wait))
                continue
            except Empty:
                pass
            now = self._clock.monotonic()
            if now - self.beat - wait > LATE:
                # It slept longer than it wanted to: it was not let run.
                self._tell(None)
            if now >= due:
                for looker in list(self._together.values()):
                    self._look(looker)
                # From when it was due, so that it does not drift; but never twice in quick succession.
                due = max(self._after(due), now + self.every / 2)

    def _take(self, instance: str, looker: Looker | None, returns: bool) -> None:
        if looker is None:
            self._lookers.pop(instance, None)
            self._together.pop(instance, None)
        elif not returns:
            self._lookers[instance] = self._together[instance] = looker
        elif self._lookers.get(instance) is looker:
            self._together[instance] = looker

    def _look(self, looker: Looker) -> None:
        started = self._clock.monotonic()
        look = looker.look(QUICK)
        if look is not None:
            # One that was silent for so short a time is remembered, and is no failure yet.
            self._tell(look)
        if self._clock.monotonic() - started < QUICK * 0.95:
            return
        instance = looker.watched.instance
        del self._together[instance]
        threading.Thread(target=self._alone, args=(looker,), name=f"looks at {instance}", daemon=True).start()

    def _after(self, moment: float) -> float:
        return moment + self.every * (1 + JITTER * (2 * self._chance.random() - 1))

    # --- a slow one's own thread

    def _alone(self, looker: Looker) -> None:
        instance = looker.watched.instance
        while self._lookers.get(instance) is looker:
            started = self._clock.monotonic()
            # As long as the agent's own monitor would wait: what answers slowly is no failure, however often.
            length = max(WHOLE, looker.patience)
            look = looker.look(length)
            took = self._clock.monotonic() - started
            # What took longer than a look can was interrupted: its failure is not the service's.
            if look is not None and (took < length + LATE or not look.seen):
                self._tell(look)
            if took < QUICK / 2:
                self._queue.put((instance, looker, True))
                return
            # Even what is late already lets others run first.
            self._clock.sleep(max(0.01, self._after(started) - self._clock.monotonic()))
