"""What counts as a failure, and what may be said of it: values in, decisions out. No clock, no file, no process.

Every moment (*now*, *started*) is in seconds on one monotonic clock. A *key* is an incarnation of an instance:
its name, its process and that process's start time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Key = tuple[str, int, int]

ALIVE, SUSPECT, FAILED, WITHDRAWN, HELD = "alive", "suspect", "failed", "withdrawn", "held"

# Consecutive looks that must have seen something wrong; one alone is a moment's trouble.
MISSES = 3
# A look's deadline ends it a moment early.
NEARLY = 0.99
# What was withheld may be said later, for this long and this often (seconds); then it is the monitors' affair.
AGAIN, AGAIN_MOST = 2.0, 30.0
# How often telling is tried when the cluster's command fails, and the seconds between.
TRIES, RETRY = 3, 1.0
# More reports than this within so many seconds are a crash loop, which ends after as long without a death.
LOOP_REPORTS, LOOP_SECONDS = 3, 120.0

# Each thread notices the same pause, a little apart (seconds).
ONE_LATENESS = 1.0

ENDED = "its process has ended"


class Incident:
    """One failure of one incarnation, on its way to Pacemaker.

    *over* is set the moment it must no longer be told; whoever tells looks at it last thing before. *death* is a
    failure that no good look can take back.
    """

    __slots__ = ("again", "at", "death", "key", "over", "tries", "why")

    def __init__(self, key: Key, why: str, at: float, death: bool) -> None:
        self.key = key
        self.why = why
        self.at = at
        self.death = death
        self.over = False
        self.tries = 0
        self.again = 0.0


class Subject:
    """What is known of the incarnation that is watched under an instance's name."""

    __slots__ = (
        "asked",
        "counts_from",
        "dead",
        "hard",
        "incident",
        "key",
        "left",
        "looked",
        "misses",
        "out",
        "seen",
        "told",
    )

    def __init__(self, key: Key, now: float) -> None:
        self.key = key
        # Looks that began earlier than this count for nothing.
        self.counts_from = now
        self.looked: float | None = None
        self.dead = False
        self.told = False
        # The failure that stands, and the one that the teller has (which may be over, without its knowing yet).
        self.incident: Incident | None = None
        self.out: Incident | None = None
        # It was not told for long enough, or for good: left to the monitors until a look is good again, or it dies.
        self.left = False
        # Whether the present incident was withheld.
        self.asked = False
        self.seen = ""
        self.misses = 0
        self.hard = 0

    def forgive(self) -> None:
        """Forget the misses, and what they had led to if it was not told yet."""
        self.misses = self.hard = 0
        if self.incident is not None and not self.incident.death:
            self.end_incident()

    def end_incident(self) -> None:
        if self.incident is not None:
            self.incident.over = True
        self.incident = None
        self.asked = False


class Judgement:
    """The states of all that is watched. ``reports`` and ``notices`` collect what was decided; the caller takes them.

    Each incident from ``reports`` must come back exactly once, by ``told``, ``withheld``, ``untold`` or ``dropped``.
    """

    __slots__ = ("_late_at", "_loops", "_told", "counts", "late_count", "notices", "reports", "subjects")

    def __init__(self) -> None:
        self.subjects: dict[str, Subject] = {}
        self.reports: list[Incident] = []
        self.notices: list[str] = []
        self.counts: dict[str, int] = {}
        self.late_count = 0
        self._late_at = float("-inf")
        # These outlive the incarnations: a crash loop is many of them.
        self._told: dict[str, list[float]] = {}
        self._loops: dict[str, float] = {}

    # --- what is watched

    def watch(self, key: Key, now: float) -> bool:
        """Watch an incarnation from now on; one that is watched already keeps its state. Whether it is a new one."""
        subject = self.subjects.get(key[0])
        if subject is not None:
            if subject.key == key:
                return False
            subject.end_incident()
        self.subjects[key[0]] = Subject(key, now)
        return True

    def forget(self, instance: str) -> None:
        """The instance is withdrawn: whatever was to be said of it is over."""
        subject = self.subjects.pop(instance, None)
        if subject is not None:
            subject.end_incident()

    def state(self, instance: str, now: float) -> str:
        subject = self.subjects.get(instance)
        if subject is None:
            return WITHDRAWN
        if subject.told:
            return FAILED
        if subject.left or subject.asked or self._looping(instance, now):
            return HELD
        if subject.dead or subject.incident is not None:
            return FAILED
        return SUSPECT if subject.misses else ALIVE

    def _current(self, key: Key) -> Subject | None:
        subject = self.subjects.get(key[0])
        return subject if subject is not None and subject.key == key else None

    # --- what was seen

    def died(self, key: Key, now: float) -> None:
        """The incarnation's process has ended."""
        subject = self._current(key)
        if subject is None or subject.dead:
            return
        subject.dead = True
        if subject.told:
            return
        if self._looping(key[0], now):
            self._loops[key[0]] = now + LOOP_SECONDS
            subject.end_incident()
            subject.left = True
            return
        subject.left = False
        if subject.incident is not None:
            # Being told, or asked about again: only now nothing can take it back.
            subject.incident.death = True
        elif subject.out is not None:
            # A good look had ended it, and the teller may not know yet: the one failure it has is this one.
            subject.incident = subject.out
            subject.incident.over, subject.incident.death = False, True
        else:
            self._report(subject, ENDED, now, death=True)

    def looked(self, key: Key, started: float, now: float, seen: str, *, silent: bool, patience: float) -> None:
        """A look that began at *started* saw *seen* (empty: nothing wrong).

        *silent*: nothing came within the look's deadline. *patience* is for how many seconds the agent's own monitor
        would bear that.
        """
        subject = self._current(key)
        if subject is None or started < subject.counts_from or started <= self._late_at:
            return
        subject.looked = now
        if subject.dead or subject.told:
            return
        if not seen:
            subject.forgive()
            subject.left = False
            subject.seen = ""
            return
        subject.seen = seen
        subject.misses += 1
        if not silent:
            subject.hard += 1
        if subject.left or subject.incident is not None or subject.out is not None or self._looping(key[0], now):
            return
        # One look that waited as long as the monitor would. Shorter ones prove nothing, however many: an answer may
        # have been on its way each time.
        silent_long = silent and now - started >= patience * NEARLY
        if subject.hard >= MISSES or silent_long:
            self._report(subject, seen, now, death=False)

    def late(self, now: float) -> None:
        """This daemon itself was late: the node was paused or starved, and what it saw of others means nothing."""
        if now - self._late_at > ONE_LATENESS:
            self.late_count += 1
        self._late_at = now
        for subject in self.subjects.values():
            subject.forgive()

    # --- what became of a report

    def told(self, incident: Incident, now: float) -> None:
        """Pacemaker knows. It counts even if the incident was over by then: it was said."""
        instance = incident.key[0]
        self.counts[instance] = self.counts.get(instance, 0) + 1
        self._told.setdefault(instance, []).append(now)
        subject = self._back(incident)
        if subject is not None:
            subject.end_incident()
            subject.told = True

    def withheld(self, incident: Incident, now: float, *, again: bool) -> None:
        """It may not be told now; *again*: the reason may pass."""
        subject = self._back(incident)
        if subject is None or subject.incident is not incident:
            return
        subject.asked = True
        self._later(subject, incident, now + AGAIN if again and now + AGAIN <= incident.at + AGAIN_MOST else 0.0)

    def untold(self, incident: Incident, now: float) -> None:
        """The cluster's command failed."""
        subject = self._back(incident)
        if subject is None or subject.incident is not incident:
            return
        incident.tries += 1
        self._later(subject, incident, now + RETRY if incident.tries < TRIES else 0.0)

    def dropped(self, incident: Incident) -> None:
        """The teller found it over. If it stands again since (the process died meanwhile), it is told after all."""
        subject = self._back(incident)
        if subject is not None and subject.incident is incident:
            self._hand_over(subject, incident)

    def _back(self, incident: Incident) -> Subject | None:
        subject = self._current(incident.key)
        if subject is None:
            return None
        if subject.out is incident:
            subject.out = None
        return subject

    @staticmethod
    def _later(subject: Subject, incident: Incident, when: float) -> None:
        if when:
            incident.again = when
        else:
            subject.end_incident()
            subject.left = True

    # --- time

    def tick(self, now: float) -> None:
        """What is due by *now*: asking again, and the end of a crash loop."""
        for subject in self.subjects.values():
            incident = subject.incident
            if incident is not None and incident.again and incident.again <= now and subject.out is None:
                self._hand_over(subject, incident)
        for instance, until in list(self._loops.items()):
            if now >= until:
                del self._loops[instance]
                looped = self.subjects.get(instance)
                if looped is not None and not looped.dead:
                    # What was seen while nothing was said of it is not said afterwards either.
                    looped.forgive()
                    looped.counts_from = now
                self.notices.append(f"{instance}: no crash loop any more, its failures are told again")
        for instance, moments in list(self._told.items()):
            if now - moments[-1] > LOOP_SECONDS:
                del self._told[instance]

    # --- the parts they are made of

    def _looping(self, instance: str, now: float) -> bool:
        return now < self._loops.get(instance, 0.0)

    def _report(self, subject: Subject, why: str, now: float, *, death: bool) -> None:
        instance = subject.key[0]
        recent = [moment for moment in self._told.get(instance, []) if now - moment <= LOOP_SECONDS]
        if len(recent) >= LOOP_REPORTS:
            self._loops[instance] = now + LOOP_SECONDS
            subject.left = subject.dead
            self.notices.append(
                f"{instance}: {why}, after {len(recent)} failures within {LOOP_SECONDS:.0f} s: a crash loop, "
                f"left to Pacemaker's own monitors until {LOOP_SECONDS:.0f} s have passed without a death"
            )
            return
        subject.incident = Incident(subject.key, why, now, death)
        self._hand_over(subject, subject.incident)

    def _hand_over(self, subject: Subject, incident: Incident) -> None:
        incident.again = 0.0
        subject.out = incident
        self.reports.append(incident)
