"""The thread that tells Pacemaker: it asks whether that is allowed, and then does so, as fast as the commands go.

What comes while it is busy is handled together: one question to the CIB for all, and the telling side by side.
"""

from __future__ import annotations

import threading
import traceback
from queue import Empty, SimpleQueue
from xml.etree import ElementTree

from quorate.lib.sentinel.cluster import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quorate.lib.host import Clock
    from quorate.lib.log import Log
    from quorate.lib.sentinel.cluster import Cluster
    from quorate.lib.sentinel.command import Running
    from quorate.lib.sentinel.judgement import Incident

TOLD, WITHHELD, FAILED, DROPPED = "told", "withheld", "failed", "dropped"
# The node's name is asked for this often while the cluster does not say it (seconds).
ASK_NAME = 10.0
# Nobody announces another provider's planned stop. Pacemaker writes the operation down before it begins, but what this
# node's CIB shows may be as much older (seconds).
SETTLE = 0.3


class Outcome:
    """What became of one incident. *again*: what it was withheld for may pass."""

    __slots__ = ("again", "incident", "reason", "what")

    def __init__(self, incident: Incident, what: str, reason: str = "", *, again: bool = False) -> None:
        self.incident = incident
        self.what = what
        self.reason = reason
        self.again = again


class Telling:
    """*stands* is asked last thing before an incident is told: does what is on disk still name that incarnation?

    *settles* says whether the CIB must be given the time to catch up. *report* gets one Outcome for each incident.
    """

    __slots__ = ("_clock", "_cluster", "_log", "_queue", "_report", "_said", "_settles", "_stands", "_thread")

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        log: Log,
        *,
        stands: Callable[[Incident], bool],
        settles: Callable[[Incident], bool],
        report: Callable[[Outcome], object],
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._log = log
        self._stands = stands
        self._settles = settles
        self._report = report
        self._queue: SimpleQueue[Incident] = SimpleQueue()
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="telling", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, incident: Incident) -> None:
        self._queue.put(incident)

    def alive(self) -> bool:
        return self._thread.is_alive()

    # --- the thread

    def _run(self) -> None:
        # Asked ahead: an incident would have to wait for it.
        self._learn_name()
        settling: list[tuple[float, Incident]] = []
        while True:
            ready = []
            for incident in self._take(self._patience(settling)):
                if self._settles(incident):
                    settling.append((self._clock.monotonic() + SETTLE, incident))
                else:
                    ready.append(incident)
            now = self._clock.monotonic()
            ready += [incident for due, incident in settling if due <= now]
            settling = [each for each in settling if each[0] > now]
            if ready:
                self.handle(ready)
            elif not self._cluster.known_node:
                self._learn_name()

    def _patience(self, settling: list[tuple[float, Incident]]) -> float | None:
        """Seconds that the thread may sleep; None: until there is something to do."""
        if settling:
            return max(0.0, min(due for due, _ in settling) - self._clock.monotonic())
        return None if self._cluster.known_node else ASK_NAME

    def _take(self, patience: float | None) -> list[Incident]:
        """Everything that is in the queue, waiting for the first."""
        batch: list[Incident] = []
        try:
            batch.append(self._queue.get(timeout=patience))
            while True:
                batch.append(self._queue.get_nowait())
        except Empty:
            return batch

    def _learn_name(self) -> None:
        try:
            self._cluster.node()
        except OSError as error:
            self._complain(f"the cluster does not say this node's name: {error}")

    def _complain(self, message: str) -> None:
        """Say it once, not each time."""
        if message != self._said:
            self._said = message
            self._log.error(message)

    # --- the work

    def handle(self, incidents: list[Incident]) -> None:
        """Deal with *incidents*: each gets its outcome, whatever happens."""
        left = list(incidents)
        try:
            for outcome in self._outcomes(incidents):
                left.remove(outcome.incident)
                self._report(outcome)
        except Exception as error:
            self._complain(f"telling failed unexpectedly\n{traceback.format_exc()}")
            for incident in left:
                self._report(Outcome(incident, FAILED, f"{type(error).__name__}: {error}"))

    def _outcomes(self, incidents: list[Incident]) -> Iterator[Outcome]:
        standing = [incident for incident in incidents if not incident.over]
        yield from (Outcome(incident, DROPPED) for incident in incidents if incident not in standing)
        if not standing:
            return
        try:
            node = self._cluster.node()
            cib = ElementTree.fromstring(self._cluster.query())
        except (OSError, ElementTree.ParseError) as error:
            self._complain(f"the cluster cannot be asked, failures are left to its monitors: {error}")
            yield from (
                Outcome(incident, WITHHELD, f"the cluster cannot be asked: {error}", again=True)
                for incident in standing
            )
            return
        self._said = ""
        running: list[tuple[Incident, Running]] = []
        for incident in standing:
            why_not = judge(cib, incident.key[0], node)
            if why_not:
                yield Outcome(incident, WITHHELD, why_not, again=why_not.again)
            elif not self._stands(incident):
                yield Outcome(incident, WITHHELD, "it is not registered as such any more")
            elif incident.over:
                yield Outcome(incident, DROPPED)
            else:
                try:
                    running.append((incident, self._cluster.tell(incident.key[0])))
                except OSError as error:
                    yield Outcome(incident, FAILED, f"crm_resource: {error.strerror}")
        for incident, command in running:
            result = command.result()
            if result.rc == 0:
                yield Outcome(incident, TOLD)
            else:
                yield Outcome(incident, FAILED, result.words())
