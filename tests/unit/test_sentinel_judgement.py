"""The judgement: literal cases, and every order of deaths, looks, pauses, withdrawals and answers of the cluster."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from quorate.lib.sentinel.judgement import (
    AGAIN,
    AGAIN_MOST,
    LOOP_REPORTS,
    LOOP_SECONDS,
    MISSES,
    RETRY,
    TRIES,
    Incident,
    Judgement,
)

A = ("a", 100, 1)
NEXT = ("a", 101, 2)
PATIENCE = 5.0


def miss(judgement: Judgement, now: float, key: tuple[str, int, int] = A, *, silent: bool = False) -> None:
    started = now - 1.0 if silent else now
    judgement.looked(key, started, now, "refused", silent=silent, patience=PATIENCE)


def good(judgement: Judgement, now: float, key: tuple[str, int, int] = A) -> None:
    judgement.looked(key, now, now, "", silent=False, patience=PATIENCE)


def watching() -> Judgement:
    judgement = Judgement()
    judgement.watch(A, 0.0)
    return judgement


def taken(judgement: Judgement) -> list[Incident]:
    reports, judgement.reports = judgement.reports, []
    return reports


def test_a_death_is_reported_at_once_and_once() -> None:
    judgement = watching()
    judgement.died(A, 1.0)
    judgement.died(A, 1.1)
    [incident] = taken(judgement)
    judgement.told(incident, 1.2)
    judgement.died(A, 2.0)
    for second in range(10):
        miss(judgement, 3.0 + second)
    assert taken(judgement) == []
    assert judgement.state("a", 13.0) == "failed"
    # Registered again by a monitor, it is the same incident.
    assert not judgement.watch(A, 14.0)
    assert judgement.state("a", 14.0) == "failed"
    judgement.watch(NEXT, 15.0)
    assert judgement.state("a", 15.0) == "alive"


def test_misses_must_be_consecutive() -> None:
    judgement = watching()
    for second in (1, 2, 4, 5, 7, 8):
        miss(judgement, second)
        if second % 3 == 2:
            good(judgement, second + 1)
    assert taken(judgement) == []
    for second in (10, 11):
        miss(judgement, second)
        assert judgement.state("a", second) == "suspect"
    miss(judgement, 12)
    assert len(taken(judgement)) == 1


def test_silence_needs_the_agents_own_patience() -> None:
    judgement = watching()
    for second in range(2, 20):
        miss(judgement, second, silent=True)
        assert judgement.state("a", second) == "suspect"
    # One that answers after 1.4 s each time would look just so.
    assert taken(judgement) == []
    judgement.looked(A, 20, 24.9, "silent", silent=True, patience=PATIENCE)
    assert taken(judgement) == []
    judgement.looked(A, 30, 35, "silent", silent=True, patience=PATIENCE)
    assert len(taken(judgement)) == 1


def test_silence_is_none_of_the_misses_that_are_counted() -> None:
    judgement = watching()
    miss(judgement, 1)
    miss(judgement, 2)
    miss(judgement, 4, silent=True)
    assert taken(judgement) == []
    miss(judgement, 5)
    assert len(taken(judgement)) == 1


def test_lateness_forgets_misses_and_what_was_under_way() -> None:
    judgement = watching()
    miss(judgement, 1)
    miss(judgement, 2)
    judgement.late(5.0)
    judgement.looked(A, 2.9, 5.1, "silent", silent=True, patience=1)
    assert judgement.state("a", 5.1) == "alive"
    miss(judgement, 6)
    miss(judgement, 7)
    assert taken(judgement) == []
    miss(judgement, 8)
    [incident] = taken(judgement)
    # What was decided but not told yet goes too.
    judgement.late(9.0)
    assert incident.over
    assert judgement.state("a", 9.0) == "alive"


def test_two_threads_notice_one_pause() -> None:
    judgement = watching()
    for now in (5.0, 5.1, 9.0):
        judgement.late(now)
    assert judgement.late_count == 2


def test_lateness_forgets_no_death() -> None:
    judgement = watching()
    judgement.died(A, 1.0)
    judgement.late(1.1)
    [incident] = taken(judgement)
    assert not incident.over


def test_a_withdrawn_one_is_over_wherever_it_is() -> None:
    judgement = watching()
    judgement.died(A, 1.0)
    [incident] = taken(judgement)
    judgement.forget("a")
    assert incident.over
    assert judgement.state("a", 1.0) == "withdrawn"
    judgement.died(A, 1.1)
    miss(judgement, 1.2)
    judgement.dropped(incident)
    judgement.tick(9.0)
    assert taken(judgement) == []


def test_a_queued_incident_is_not_the_next_incarnations() -> None:
    judgement = watching()
    judgement.died(A, 1.0)
    [incident] = taken(judgement)
    judgement.watch(NEXT, 1.5)
    assert incident.over
    # Told all the same, it was in flight: that is said of the old one.
    judgement.told(incident, 1.6)
    assert judgement.state("a", 1.6) == "alive"
    judgement.died(A, 2.0)
    assert taken(judgement) == []


def test_a_good_look_takes_back_what_was_not_told() -> None:
    judgement = watching()
    for second in (1, 2, 3):
        miss(judgement, second)
    [incident] = taken(judgement)
    good(judgement, 4)
    assert incident.over
    assert judgement.state("a", 4) == "alive"
    # And nothing new is handed over before that one came back.
    for second in (5, 6, 7):
        miss(judgement, second)
    assert taken(judgement) == []
    judgement.dropped(incident)
    miss(judgement, 8)
    assert len(taken(judgement)) == 1


def test_a_death_stands_even_if_the_teller_has_one_that_was_taken_back() -> None:
    for found_over in (True, False):
        judgement = watching()
        for second in (1, 2, 3):
            miss(judgement, second)
        [incident] = taken(judgement)
        good(judgement, 4)
        if found_over:
            # It was seen over, and stood again before that was heard.
            judgement.died(A, 5.0)
            judgement.dropped(incident)
            assert taken(judgement) == [incident]
        else:
            judgement.died(A, 5.0)
            assert not incident.over
            judgement.told(incident, 5.1)
            assert taken(judgement) == []


def test_withheld_is_asked_again_for_half_a_minute() -> None:
    judgement = watching()
    judgement.died(A, 0.0)
    [incident] = taken(judgement)
    now, asked = 0.0, 1
    while now < 60:
        judgement.withheld(incident, now, again=True)
        assert judgement.state("a", now) == "held"
        now += AGAIN
        judgement.tick(now)
        if not taken(judgement):
            break
        asked += 1
    assert now == AGAIN_MOST + AGAIN
    judgement.tick(1000.0)
    assert taken(judgement) == []
    assert judgement.state("a", 1000.0) == "held"


def test_withheld_for_good_is_not_asked_again_but_a_death_is() -> None:
    judgement = watching()
    for second in (1, 2, 3):
        miss(judgement, second)
    [incident] = taken(judgement)
    judgement.withheld(incident, 3.1, again=False)
    judgement.tick(10)
    for second in (11, 12, 13, 14):
        miss(judgement, second)
    assert taken(judgement) == []
    judgement.died(A, 15)
    assert len(taken(judgement)) == 1


def test_telling_that_fails_is_tried_so_often() -> None:
    judgement = watching()
    judgement.died(A, 0.0)
    now = 0.0
    for _ in range(TRIES):
        [incident] = taken(judgement)
        judgement.untold(incident, now)
        now += RETRY
        judgement.tick(now)
    assert taken(judgement) == []
    assert judgement.counts == {}


def test_a_crash_loop_is_held_until_it_is_quiet() -> None:
    judgement = Judgement()
    now = 0.0
    for pid in range(LOOP_REPORTS):
        key = ("a", 200 + pid, 1)
        judgement.watch(key, now)
        judgement.died(key, now + 1)
        [incident] = taken(judgement)
        judgement.told(incident, now + 1)
        # Withdrawn between: the loop is the instance's, not the incarnation's.
        judgement.forget("a")
        now += 10
    for pid in range(3):
        key = ("a", 300 + pid, 1)
        judgement.watch(key, now)
        judgement.died(key, now + 1)
        assert taken(judgement) == []
        assert judgement.state("a", now + 1) == "held"
        now += LOOP_SECONDS - 10
    assert len(judgement.notices) == 1
    last = now - (LOOP_SECONDS - 10) + 1
    judgement.watch(A, now)
    assert judgement.state("a", now) == "held"
    judgement.tick(last + LOOP_SECONDS)
    assert judgement.state("a", last + LOOP_SECONDS) == "alive"
    judgement.died(A, last + LOOP_SECONDS + 1)
    assert len(taken(judgement)) == 1


def test_reports_that_are_far_apart_are_no_loop() -> None:
    judgement = Judgement()
    for number in range(10):
        key = ("a", 200 + number, 1)
        now = number * (LOOP_SECONDS / 2)
        judgement.watch(key, now)
        judgement.died(key, now)
        [incident] = taken(judgement)
        judgement.told(incident, now)


class Orders(RuleBasedStateMachine):
    """Two instances and a teller that takes its time: anything may happen between its last look at an incident and the
    end of the cluster's command, and again until its outcome is heard of.

    What may be told is computed here by other means: from the list of all that happened to the incarnation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.judgement = Judgement()
        self.now = 1000.0
        self.pid = 1
        self.live: dict[str, tuple[str, int, int]] = {}
        self.dead: set[tuple[str, int, int]] = set()
        # Since the last good look or lateness: (length, silent) of the looks that count.
        self.looks: dict[tuple[str, int, int], list[tuple[float, bool]]] = {}
        self.counts_from: dict[tuple[str, int, int], float] = {}
        self.late_at = 0.0
        self.queued: list[Incident] = []
        self.committed: list[Incident] = []
        self.outcomes: list[tuple[str, Incident]] = []
        self.seen: list[Incident] = []
        self.heard: set[tuple[str, int, int]] = set()
        self.told: list[tuple[str, int, int]] = []
        self.told_at: dict[str, list[float]] = {"a": [], "b": []}

        for name in ("a", "b"):
            self.start(name)

    # Most of it happens to one: two are there to show that they do not touch each other.
    names = st.sampled_from(["a", "a", "a", "b"])
    outcomes = st.sampled_from(["told", "told", "withheld", "withheld for good", "failed"])

    def collect(self) -> None:
        for incident in taken(self.judgement):
            # Never handed over twice at a time.
            assert incident not in self.under_way()
            if incident not in self.seen:
                self.seen.append(incident)
                recent = [moment for moment in self.told_at[incident.key[0]] if self.now - moment <= LOOP_SECONDS]
                assert len(recent) < LOOP_REPORTS, "reported in a crash loop"
            self.queued.append(incident)

    def under_way(self) -> list[Incident]:
        return self.queued + self.committed + [incident for _, incident in self.outcomes]

    def reason(self, key: tuple[str, int, int]) -> bool:
        """Whether there is one: a death, or enough looks in a row."""
        looks = self.looks[key]
        hard = sum(not silent for _, silent in looks)
        silence = any(silent and length >= PATIENCE for length, silent in looks)
        return key in self.dead or hard >= MISSES or silence

    @rule(name=names)
    def start(self, name: str) -> None:
        self.pid += 1
        key = (name, self.pid, self.pid)
        self.judgement.watch(key, self.now)
        self.live[name] = key
        self.looks[key] = []
        self.counts_from[key] = self.now

    @rule(name=names)
    def register_again(self, name: str) -> None:
        if name in self.live:
            assert not self.judgement.watch(self.live[name], self.now)

    @rule(name=names)
    def stop(self, name: str) -> None:
        self.judgement.forget(name)
        self.live.pop(name, None)

    @rule(name=names)
    def die(self, name: str) -> None:
        if name in self.live:
            self.dead.add(self.live[name])
            self.judgement.died(self.live[name], self.now)
            self.collect()

    @rule(name=names, past=st.integers(0, 3))
    def an_old_one_dies(self, name: str, past: int) -> None:
        self.judgement.died((name, self.pid - past - 100, 0), self.now)
        self.collect()

    @rule(name=names, bad=st.sampled_from(["", "hard", "silent"]), length=st.sampled_from([0.0, 1.0, 3.0, 5.0]))
    def look(self, name: str, bad: str, length: float) -> None:
        if name not in self.live:
            return
        key, began = self.live[name], self.now - length
        self.judgement.looked(key, began, self.now, bad, silent=bad == "silent", patience=PATIENCE)
        if began >= self.counts_from[key] and began > self.late_at:
            if bad:
                self.looks[key].append((length, bad == "silent"))
            else:
                self.looks[key].clear()
        self.collect()

    @rule(name=names, silences=st.lists(st.booleans(), min_size=2, max_size=8))
    def looks_in_a_row(self, name: str, silences: list[bool]) -> None:
        for silent in silences:
            self.pass_time(1.0)
            if silent:
                self.pass_time(5.0)
            self.look(name, "silent" if silent else "hard", 5.0 if silent else 0.9)

    @rule(name=names, silent=st.booleans())
    def fail_for_long(self, name: str, silent: bool) -> None:
        self.looks_in_a_row(name, [silent] * 8)

    @rule(name=names)
    def fail_just_too_short(self, name: str) -> None:
        self.look(name, "", 0.0)
        self.looks_in_a_row(name, [False, False])

    @rule(name=names)
    def silent_twice_and_not_asked_between(self, name: str) -> None:
        self.look(name, "", 0.0)
        self.pass_time(2.0)
        self.look(name, "silent", 1.0)
        self.pass_time(5.0)
        self.look(name, "silent", 1.0)

    @rule(name=names, meanwhile=st.booleans())
    def recover_and_fail(self, name: str, meanwhile: bool) -> None:
        self.fail_for_long(name, False)
        self.look(name, "", 0.0)
        if meanwhile:
            self.teller_looks_and_begins()
        self.die(name)

    @rule(name=names, outcome=outcomes)
    def recover_and_fail_while_it_is_told(self, name: str, outcome: str) -> None:
        self.fail_for_long(name, False)
        self.teller_looks_and_begins()
        self.look(name, "", 0.0)
        self.teller_ends(outcome)
        self.fail_for_long(name, False)
        self.teller_looks_and_begins()

    @rule(outcome=outcomes)
    def teller_does_all(self, outcome: str) -> None:
        for _ in range(len(self.queued)):
            self.teller_looks_and_begins()
        while self.committed:
            self.teller_ends(outcome)
        while self.outcomes:
            self.outcome_is_heard()

    @rule(name=names)
    def crash(self, name: str) -> None:
        self.start(name)
        self.die(name)
        self.teller_does_all("told")

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 5.0, 31.0, 121.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.judgement.tick(self.now)
        self.collect()

    @rule()
    def late(self) -> None:
        self.judgement.late(self.now)
        self.late_at = self.now
        for looks in self.looks.values():
            looks.clear()

    @rule()
    def teller_looks_and_begins(self) -> None:
        if not self.queued or self.committed:
            return
        incident = self.queued.pop(0)
        if incident.over:
            self.outcomes.append(("dropped", incident))
            return
        # This is the moment that counts: from here it cannot be called back.
        assert self.live.get(incident.key[0]) == incident.key, "told of one that is withdrawn or replaced"
        assert incident.key not in self.told, "told twice"
        assert self.reason(incident.key), "told without a reason"
        self.committed.append(incident)

    @rule(outcome=outcomes)
    def teller_ends(self, outcome: str) -> None:
        for incident in self.committed:
            if outcome == "told":
                self.told.append(incident.key)
            self.outcomes.append((outcome, incident))
        self.committed.clear()

    @rule()
    def outcome_is_heard(self) -> None:
        if not self.outcomes:
            return
        outcome, incident = self.outcomes.pop(0)
        if outcome == "told":
            self.told_at[incident.key[0]].append(self.now)
            self.heard.add(incident.key)
            self.judgement.told(incident, self.now)
        elif outcome == "failed":
            self.judgement.untold(incident, self.now)
        elif outcome == "dropped":
            self.judgement.dropped(incident)
        else:
            self.judgement.withheld(incident, self.now, again=outcome == "withheld")
        self.collect()

    @invariant()
    def each_incarnation_is_told_once(self) -> None:
        assert len(set(self.told)) == len(self.told)

    @invariant()
    def states_are_what_they_say(self) -> None:
        for name in ("a", "b"):
            state = self.judgement.state(name, self.now)
            key = self.live.get(name)
            assert (state == "withdrawn") == (key is None)
            if key is not None and key in self.heard:
                assert state == "failed"
            if key is not None and state in ("alive", "suspect"):
                assert key not in self.dead
            if state == "suspect" and key is not None:
                assert self.looks[key]

    @invariant()
    def what_is_dead_is_dealt_with(self) -> None:
        """Nothing is lost: a dead one is told, on its way, waiting to be asked about again, or left on purpose."""
        for key in self.live.values():
            if key in self.dead and key not in self.told:
                subject = self.judgement.subjects[key[0]]
                under_way = any(each.key == key and not each.over for each in self.under_way())
                assert under_way or subject.left or (subject.incident is not None and subject.incident.again > 0)


Orders.TestCase.settings = settings(max_examples=400, stateful_step_count=60)
TestOrders = Orders.TestCase
