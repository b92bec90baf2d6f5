"""The sentinel on the running cluster: a failure is acted on at once, nothing else is, and nothing depends on it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from quorate.cib.compare import difference
from quorate.lab import actions, calm, reaction, sentinels
from quorate.lab.cluster import Lab
from quorate.lab.events import Event
from quorate.lab.reaction import TARGETS, Target
from quorate.lab.services import SERVICES

NAMES = tuple(service.name for service in SERVICES)
FOREIGN = "haproxy"
AT_ONCE, SOON = 2.0, 12.0
"""Seconds until the first action, from a death and from SIGSTOP. The claims are 0.5 and 4 s, on a machine that has
nothing else to do (`make reaction`); polling would take 15 s on average. Nothing here asks who told Pacemaker: now and
then a monitor comes in just that moment, and is as good. A daemon that was not let run begins its count of looks anew.
"""


def instances(lab: Lab) -> dict[tuple[str, str], str]:
    """Which process each service's instance is."""
    return {
        (node, name): lab.exec(node, ["cat", f"/run/quorate/{name}.pid"]).out for node in lab.nodes for name in NAMES
    }


def target(name: str) -> Target:
    return next(each for each in TARGETS if each.name == name)


class Noted:
    """The cluster's logs from here on."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ends = {node: actions.note(lab, node) for node in lab.nodes}
        self.wall = time.time()

    def told(self) -> list[Event]:
        """What Pacemaker was told of from outside, on any node."""
        seen = [event for node, end in self.ends.items() for event in actions.since(self.lab, node, end, self.wall)]
        return actions.told(seen)


@pytest.fixture(scope="module")
def watched(shared_lab: Lab) -> Iterator[Lab]:
    """The lab with the sentinel; afterwards it is as it was, and no service was restarted for either."""
    lab = shared_lab
    lab.wait_healthy(180)
    lab.cleanup()
    lab.wait_healthy(180)
    former, before = lab.cib(), instances(lab)
    with sentinels.loaded(lab):
        assert instances(lab) == before, "the sentinel's topology restarted a service"
        yield lab
        lab.wait_healthy(180)
        before = instances(lab)
    assert instances(lab) == before, "taking the sentinel away restarted a service"
    assert difference(former, lab.cib()) == ""
    assert calm.fail_counts(lab.cib()) == ()
    for node in lab.nodes:
        # Brackets: or it would find the command that looks for it.
        assert lab.exec(node, ["pgrep", "-f", "[q]uorate-sentinel daemon"], check=False).out == ""
        assert lab.exec(node, ["test", "-e", "/run/quorate/sentinel.pid"], check=False).rc == 1


@pytest.fixture
def ready(watched: Lab) -> Lab:
    """Whole, watched, and without failures of the test before."""
    reaction.settle(watched)
    sentinels.await_watching(watched, instances=(*NAMES, FOREIGN))
    return watched


def test_every_service_is_watched_on_every_node(ready: Lab) -> None:
    for node in ready.nodes:
        seen = sentinels.status(ready, node)
        assert seen.node == node
        assert {watch.instance: watch.agent for watch in seen.watched} == {**{n: n for n in NAMES}, FOREIGN: ""}
        for name in NAMES:
            watch = seen.of(name)
            assert watch is not None
            record = ready.exec(node, ["cat", f"/run/quorate/{name}.pid"]).out.split()
            assert watch.pid == int(record[0])
            assert watch.last_look is not None
            assert watch.last_look < 5
        assert ready.exec(node, ["stat", "-c", "%a %U", "/run/quorate/sentinel"]).out == "700 root\n"


@pytest.mark.parametrize(("name", "turn"), [(name, turn) for turn, name in enumerate(NAMES)])
def test_a_killed_service_is_recovered_at_once(ready: Lab, name: str, turn: int) -> None:
    node = ready.nodes[turn % len(ready.nodes)]
    seen = reaction.react(ready, target(name), node)
    assert seen.begun <= AT_ONCE
    sentinels.await_watching(ready, [node], [name])


def test_a_stopped_service_is_recovered_within_seconds(ready: Lab) -> None:
    """SIGSTOP: the processes live and their sockets accept."""
    seen = reaction.react(ready, target("keystone"), ready.nodes[1], stop=True)
    assert seen.begun <= SOON


def test_another_providers_resource_is_recovered_at_once_by_its_pid_file(ready: Lab) -> None:
    seen = reaction.react(ready, target(FOREIGN), ready.nodes[2])
    assert seen.begun <= AT_ONCE


def test_what_is_stopped_and_started_by_plan_is_not_reported(ready: Lab) -> None:
    noted, before = Noted(ready), instances(ready)
    # The other provider's resource announces no stop: its permission alone tells a plan from a failure.
    calm.stop_and_start(ready, "nova-api-clone", ready.nodes[0])
    calm.stop_and_start(ready, f"{FOREIGN}-clone", ready.nodes[1])
    time.sleep(calm.AFTERMATH)
    now = instances(ready)
    assert {key for key in now if now[key] != before[key]} == {(ready.nodes[0], "nova-api")}
    assert noted.told() == []
    sentinels.await_watching(ready, instances=(*NAMES, FOREIGN))


def test_a_killed_sentinel_comes_back_and_no_service_feels_it(ready: Lab) -> None:
    noted, before = Noted(ready), instances(ready)
    node = ready.nodes[0]
    killed = sentinels.kill(ready, node)
    sentinels.await_watching(ready, [node], (*NAMES, FOREIGN))
    assert sentinels.status(ready, node).pid != killed
    time.sleep(calm.AFTERMATH)
    assert instances(ready) == before
    assert noted.told() == []


def test_while_the_sentinel_is_held_polling_recovers_the_service(ready: Lab) -> None:
    """By a monitor, each 30 s; or by the sentinel that Pacemaker started in the place of the one that hangs."""
    node = ready.nodes[1]
    pid = sentinels.status(ready, node).pid
    ready.exec(node, ["kill", "-STOP", str(pid)])
    try:
        seen = reaction.react(ready, target("dashboard"), node)
    finally:
        ready.exec(node, ["kill", "-CONT", str(pid)], check=False)
    assert seen.begun <= 90
    sentinels.await_watching(ready, [node])
