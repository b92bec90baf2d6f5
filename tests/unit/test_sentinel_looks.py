"""One look at one instance, and the rounds of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from calling import KeptLog
from fake_host import FakeHost, FakeProcess
from sentinel_node import until

from quorate.lib.agent import Agent
from quorate.lib.daemon import Daemon
from quorate.lib.deadline import Deadline
from quorate.lib.declare import Parameter
from quorate.lib.host import RealHost
from quorate.lib.sentinel import rounds as module
from quorate.lib.sentinel.looks import PATIENCE, Look, Looker
from quorate.lib.sentinel.records import Watched
from quorate.lib.sentinel.rounds import Rounds

Glance = Callable[["Asked", Deadline], str]


class Asked(Daemon):
    """An agent whose glance is the test's."""

    name = "asked"
    parameters = (
        Parameter("port", "integer", "80", shortdesc="Port"),
        Parameter("probe_timeout", "time", "7s", shortdesc="Patience"),
        Parameter("required", required=True, shortdesc="Required"),
    )
    does: Glance

    def glance(self, deadline: Deadline) -> str:
        return type(self).does(self, deadline)


def asked(does: Glance) -> type[Asked]:
    return type("Asked", (Asked,), {"does": does})


def looker(
    host: FakeHost, process: FakeProcess, agent: type[Agent], log: KeptLog | None = None, **parameters: str
) -> Looker:
    watched = Watched("a", "asked", process.pid, process.start, parameters)
    return Looker(host, log or KeptLog(), lambda name: {"asked": agent}[name], watched)


def one(look: Look | None) -> Look:
    assert look is not None
    return look


def test_a_good_look() -> None:
    host = FakeHost()
    process = host.add("keystone")
    look = one(looker(host, process, asked(lambda agent, deadline: "")).look(1.0))
    assert (look.key, look.seen, look.gone, look.silent) == (("a", process.pid, process.start), "", False, False)
    assert look.patience == 7.0


def test_the_agent_is_made_once_of_what_was_recorded() -> None:
    host = FakeHost()
    made: list[Asked] = []
    deadlines: list[tuple[Deadline, Deadline]] = []

    def glance(agent: Asked, deadline: Deadline) -> str:
        made.append(agent)
        deadlines.append((deadline, agent.deadline))
        return f"port {agent.params.number('port')} of {agent.context.instance}"

    each = looker(host, host.add("x"), asked(glance), port="5000", probe_timeout="3s")
    for _ in range(3):
        look = one(each.look(1.0))
        assert (look.seen, look.silent, look.patience) == ("port 5000 of a", False, 3.0)
        host.clock.sleep(100)
    assert len(set(map(id, made))) == 1
    # Each time with a deadline of its own, not with that of an action that ended long ago.
    assert all(given is own for given, own in deadlines)
    assert len({given.end for given, _ in deadlines}) == 3


def test_what_took_the_whole_deadline_was_silence() -> None:
    host = FakeHost()

    def glance(agent: Asked, deadline: Deadline) -> str:
        host.clock.sleep(deadline.remaining())
        return "did not answer"

    look = one(looker(host, host.add("x"), asked(glance)).look(1.0))
    assert (look.seen, look.silent, look.took) == ("did not answer", True, pytest.approx(1.0))


@pytest.mark.parametrize("state", ["T", "t"])
def test_a_held_process_is_not_asked(state: str) -> None:
    host = FakeHost()
    process = host.add("keystone")
    process.state = state
    look = one(looker(host, process, asked(lambda agent, deadline: pytest.fail("asked"))).look(1.0))
    assert look.seen == f"keystone (pid {process.pid}) is held stopped by a signal"
    assert not look.gone


def test_a_process_that_is_gone_or_anothers_is_gone() -> None:
    for change in ("gone", "zombie", "reused"):
        host = FakeHost()
        process = host.add("keystone")
        each = looker(host, process, asked(lambda agent, deadline: pytest.fail("asked")))
        if change == "gone":
            process.end(0)
        elif change == "zombie":
            process.state = "Z"
        else:
            process.start += 1
        assert one(each.look(1.0)).gone


def test_an_error_in_the_look_is_said_once_and_is_nothing() -> None:
    host, log = FakeHost(), KeptLog()

    def glance(agent: Asked, deadline: Deadline) -> str:
        raise ZeroDivisionError("oh")

    each = looker(host, host.add("x"), asked(glance), log)
    assert [each.look(1.0) for _ in range(3)] == [None] * 3
    [line] = log.lines
    assert line.startswith("ERROR: a: cannot be looked at, only its process is watched: ZeroDivisionError: oh (")


def test_an_agent_that_is_not_there_is_said_once() -> None:
    host, log = FakeHost(), KeptLog()
    process = host.add("x")
    each = Looker(host, log, lambda name: {}[name], Watched("a", "none", process.pid, process.start, {}))
    assert [each.look(1.0) for _ in range(2)] == [None, None]
    assert len(log.lines) == 1
    assert each.patience == PATIENCE
    process.end(0)
    assert one(each.look(1.0)).gone


# --- the rounds, in real time and in quick succession


class Fake:
    """Stands for a Looker: each look takes *takes* seconds, but no longer than its deadline."""

    def __init__(self, name: str, takes: float = 0.0) -> None:
        self.watched = Watched(name, "asked", 100, 1, {})
        self.takes = takes
        self.patience = 0.0
        self.lengths: list[float] = []
        self.threads: set[str] = set()
        self.inside = 0

    def look(self, length: float) -> Look:
        self.inside += 1
        assert self.inside == 1, "looked at by two threads at once"
        self.lengths.append(length)
        self.threads.add(threading.current_thread().name)
        started = time.monotonic()
        silent = self.takes >= length
        time.sleep(min(self.takes, length))
        self.inside -= 1
        seen = "silent" if silent else ""
        return Look(self.watched.key, started, time.monotonic(), seen, gone=False, silent=silent, patience=5)


def rounds(told: list[Look | None], every: float = 0.1) -> Rounds:
    each = Rounds(RealHost().clock, told.append, every=every)
    each.start()
    return each


def add(each: Rounds, fake: Fake) -> None:
    each.look_at(fake)  # type: ignore[arg-type]


def test_each_is_looked_at_about_as_often_as_said() -> None:
    told: list[Look | None] = []
    each = rounds(told)
    fakes = [Fake(name) for name in "abc"]
    for fake in fakes:
        add(each, fake)
    begun = time.monotonic()
    until(lambda: all(len(fake.lengths) >= 15 for fake in fakes))
    assert time.monotonic() - begun > 0.1 * 13
    counts = [len(fake.lengths) for fake in fakes]
    assert max(counts) - min(counts) <= 2
    assert each.going(time.monotonic())
    each.leave("a")
    until(lambda: len(fakes[1].lengths) >= 18)
    assert len(fakes[0].lengths) <= max(counts) + 1


def test_a_slow_one_is_waited_for_as_long_as_its_monitor_would() -> None:
    told: list[Look | None] = []
    each = rounds(told)
    slow = Fake("slow", takes=module.WHOLE * 1.3)
    slow.patience = module.WHOLE * 3
    add(each, slow)
    until(lambda: len(slow.lengths) == 4)
    assert slow.lengths == [module.QUICK, *[slow.patience] * 3]
    assert [look.seen for look in told if look][:3] == ["silent", "", ""]
    each.leave("slow")


def test_a_silent_one_gets_its_own_thread_and_comes_back() -> None:
    told: list[Look | None] = []
    each = rounds(told)
    slow, quick = Fake("slow", takes=10.0), Fake("quick")
    add(each, slow)
    add(each, quick)
    until(lambda: len(slow.lengths) == 3)
    # The other is looked at meanwhile.
    assert slow.lengths == [module.QUICK, module.WHOLE, module.WHOLE]
    assert [look.seen for look in told if look and look.key[0] == "slow"] == ["silent"] * 2
    assert len(quick.lengths) > 10
    assert quick.threads == {"looks"}
    assert slow.threads == {"looks", "looks at slow"}
    slow.takes = 0.0
    until(lambda: slow.lengths[-2:] == [module.QUICK] * 2)
    until(lambda: "looks at slow" not in {thread.name for thread in threading.enumerate()})
    each.leave("slow")
    each.leave("quick")


def test_one_that_is_left_while_it_is_silent_does_not_come_back() -> None:
    told: list[Look | None] = []
    each = rounds(told)
    slow = Fake("left", takes=10.0)
    add(each, slow)
    until(lambda: len(slow.lengths) == 2)
    each.leave("left")
    slow.takes = 0.0
    until(lambda: "looks at left" not in {thread.name for thread in threading.enumerate()})
    count = len(slow.lengths)
    time.sleep(0.4)
    assert len(slow.lengths) == count


def test_a_new_one_takes_the_place_of_a_silent_one() -> None:
    told: list[Look | None] = []
    each = rounds(told)
    slow, new = Fake("same", takes=10.0), Fake("same")
    add(each, slow)
    until(lambda: len(slow.lengths) == 2)
    add(each, new)
    until(lambda: len(new.lengths) == 5)
    until(lambda: "looks at same" not in {thread.name for thread in threading.enumerate()})
    assert len(slow.lengths) <= 3
    each.leave("same")


def test_a_thread_that_was_not_let_run_says_so() -> None:
    """A clock that leaps between two looks is what a pause of the node looks like."""

    class Leaping:
        ahead = 0.0

        def monotonic(self) -> float:
            return time.monotonic() + self.ahead

        def time(self) -> float:
            return time.time()

        def sleep(self, seconds: float, /) -> None:
            time.sleep(seconds)

    clock = Leaping()
    told: list[Look | None] = []
    each = Rounds(clock, told.append, every=0.2)
    each.start()
    fake = Fake("a")
    add(each, fake)
    until(lambda: len(fake.lengths) >= 2)
    assert None not in told
    clock.ahead = 2.0
    until(lambda: None in told)
    assert told.count(None) == 1
    # Without looks for so long it is not alive.
    assert not each.going(clock.monotonic() + 60)
    each.leave("a")
