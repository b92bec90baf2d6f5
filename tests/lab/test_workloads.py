"""Every workload against the running cluster: what it asks for is done, and nothing that hangs holds its clients."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quorate.lab import record, services, workloads
from quorate.lab.checker import INVALID, judge
from quorate.lab.cluster import Lab
from quorate.lab.history import FAULT, OK, TROUBLE, HistoryLog, read_history
from quorate.lab.recorder import Recorder
from quorate.lab.workload import Pace, Place, Workload

pytestmark = pytest.mark.usefixtures("alone")
NAMES = [kind().name for kind in workloads.WORKLOADS]


@pytest.fixture
def alone(lab: Lab) -> Iterator[None]:
    """No run is under way on the lab, which would have its tables taken away."""
    with record.locked(lab.name, "chaos.lock", "being hurt"):
        yield


def places(lab: Lab) -> list[Place]:
    return [Place(node, lab.address(node)) for node in lab.nodes]


def pace(load: Workload) -> Pace:
    """Its own, but for the probes: 20 requests a second of each of them are for when nothing else is asked."""
    return Pace(rate=2, workers=2) if load.name.startswith("probe-") else load.pace


def test_every_workload_does_what_it_says(lab: Lab, tmp_path: Path) -> None:
    """All at once, as in a run: every function succeeds, the final reads end, and the checkers find nothing."""
    loads = [workloads.make(name) for name in NAMES]
    for load in loads:
        load.prepare(lab)
    path = tmp_path / "history.jsonl"
    with HistoryLog(path, {"workloads": NAMES, "nodes": list(lab.nodes)}) as log:
        recorders = [Recorder(log, load, places(lab), pace(load)) for load in loads]
        for recorder in recorders:
            recorder.start()
        time.sleep(8)
        log.mark(FAULT, fault="none")
        until = time.monotonic() + 15
        while any(not recorder.good for recorder in recorders) and time.monotonic() < until:
            time.sleep(0.2)
        for recorder in recorders:
            recorder.halt()
        for recorder in recorders:
            recorder.stop()
        unsettled = [recorder.workload.name for recorder in recorders if not recorder.settle(30)]
    history = read_history(path)
    assert history.all(TROUBLE) == ()
    assert unsettled == []
    for load in loads:
        ops = history.of(load.name)
        assert {op.f for op in ops if op.outcome == OK} >= {op.f for op in ops} - {"revoke"}, load.name
        # Transactions may collide, and a busy machine may be late; anything else is a misunderstanding.
        bad = [op for op in ops if op.outcome != OK and not re.search("Deadlock|timed out|no answer within", op.error)]
        assert bad == [], load.name
        verdicts = [judge(checker, history) for checker in load.checkers()]
        assert [verdict for verdict in verdicts if verdict.value == INVALID or "crash" in verdict.words] == []
    secrets = lab.secrets.values()
    assert not [secret for secret in secrets if secret in path.read_text()]


@contextmanager
def frozen(lab: Lab, node: str) -> Iterator[None]:
    """Every service of *node* is stopped where it stands. The cluster must be in maintenance: a monitor that came just
    then would have the service ended and started anew."""
    names = "|".join(command for service in services.SERVICES for command in service.commands)
    try:
        lab.exec(node, ["pkill", "-STOP", "-x", names])
        yield
    finally:
        lab.exec(node, ["pkill", "-CONT", "-x", names])


def test_frozen_services_hold_no_operation_beyond_its_deadline(maintenance: Lab, tmp_path: Path) -> None:
    """Connections that are open already, and servers that accept new ones but say nothing."""
    lab = maintenance
    loads = [workloads.make(name) for name in NAMES]
    for load in loads:
        load.prepare(lab)
    node = lab.nodes[1]
    with HistoryLog(tmp_path / "history.jsonl", {}) as log:
        short = Pace(rate=4, workers=2, deadline=1.0)
        recorders = [Recorder(log, load, [Place(node, lab.address(node))], short) for load in loads]
        for recorder in recorders:
            recorder.start()
        time.sleep(1.5)
        with frozen(lab, node):
            began = log.now()
            time.sleep(2.5)
            ended = log.now()
        for recorder in recorders:
            recorder.halt()
        for recorder in recorders:
            recorder.stop()
    history = read_history(tmp_path / "history.jsonl")
    for load in loads:
        ops = history.of(load.name)
        stuck = [op for op in ops if op.began < ended - 1.0 and op.ended > began + 0.5]
        assert stuck, load.name
        # What was asked before may have been answered just in time, and written down a moment late.
        assert not [op for op in stuck if op.outcome == OK and began + 0.5 < op.began and op.ended < ended], load.name
        assert max(op.seconds for op in ops) < short.deadline + 2.0, load.name
