"""Two agents that are deliberately broken, each in place of ours on a real lab: the checkers must say so.

Neither breaks anything that Pacemaker sees. After each, the lab has our agents again, and clean data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quorate.lab import archive, audit, run
from quorate.lab.checker import INVALID, VALID
from quorate.lab.cluster import Lab
from quorate.lab.config import File
from quorate.lab.faults.mending import ALL
from quorate.lab.faults.process import Signal
from quorate.lab.run import Outcome
from quorate.lab.scenario import Scenario

HERE = Path(__file__).parent
AGENTS = "/usr/lib/ocf/resource.d/quorate"


@contextmanager
def broken(lab: Lab, agent: str, double: str) -> Iterator[None]:
    """*double* answers to the name of *agent* on every node; what is running keeps running until its next start."""
    path = f"{AGENTS}/{agent}"
    ours = {node: archive.get_file(lab.container(node), path) for node in lab.nodes}
    try:
        for node in lab.nodes:
            lab.put(node, [File(path, (HERE / double).read_bytes(), mode=0o755)])
        yield
    finally:
        for node, content in ours.items():
            lab.put(node, [File(path, content, mode=0o755)])


def judged(outcome: Outcome) -> dict[str, str]:
    return {verdict.checker: verdict.value for verdict in outcome.verdicts}


def assert_clean(lab: Lab) -> None:
    """The lab is whole, and no audit finds anything."""
    lab.cleanup()
    lab.wait_healthy(180)
    assert [finding for finding in audit.audit(lab) if finding.value != VALID] == []


@pytest.mark.timeout(600)
def test_a_broker_that_forgets_its_messages_is_caught(lab: Lab, tmp_path: Path) -> None:
    """All brokers at once: messages that another node still had would be copied back.

    The mirrored queue comes back empty. A quorum queue that has lost its log on every node answers nobody any more,
    which is unknown, and takes a minute to be.
    """
    scenario = Scenario(
        "forgetful-rabbitmq",
        "kill -9 of rabbitmq on all nodes, with an agent that deletes its messages",
        Signal("KILL", "rabbitmq", ALL),
        workloads=("queue-mirrored",),
        expect=INVALID,
    )
    try:
        with broken(lab, "rabbitmq", "forgetful_rabbitmq.py"):
            outcome = run.run(scenario, lab, tmp_path / "out", seed=1)
    finally:
        forget_queues(lab)
    seen = {verdict.checker: verdict for verdict in outcome.verdicts}
    assert outcome.expected, outcome.verdicts
    assert judged(outcome)["recovery"] == VALID, seen["recovery"]
    assert judged(outcome)["queue-mirrored"] == INVALID, seen["queue-mirrored"]
    assert seen["queue-mirrored"].offending
    assert_clean(lab)


def forget_queues(lab: Lab) -> None:
    """Delete what the load declared: a queue that has lost its members stays as it is otherwise."""
    node = lab.nodes[0]
    for queue in lab.exec(node, ["rabbitmqctl", "-q", "list_queues", "--no-table-headers", "name"]).out.split():
        lab.exec(node, ["rabbitmqctl", "-q", "delete_queue", queue], check=False)


@pytest.mark.timeout(600)
def test_a_database_that_founds_its_own_cluster_is_caught(lab: Lab, tmp_path: Path) -> None:
    scenario = Scenario(
        "selfish-galera",
        "kill -9 of galera on all nodes, with an agent that founds a cluster at every start",
        Signal("KILL", "galera", ALL),
        workloads=("sql-set",),
        expect=INVALID,
    )
    try:
        with broken(lab, "galera", "selfish_galera.py"):
            outcome = run.run(scenario, lab, tmp_path / "out", seed=1)
    finally:
        reunite(lab)
    seen = {verdict.checker: verdict for verdict in outcome.verdicts}
    assert outcome.expected, outcome.verdicts
    assert judged(outcome)["recovery"] == VALID, seen["recovery"]
    assert judged(outcome)["sql-set"] == INVALID, seen["sql-set"]
    assert seen["sql-set"].offending
    assert judged(outcome)["audits"] == INVALID, seen["audits"]
    assert_clean(lab)


def reunite(lab: Lab) -> None:
    """One cluster again, with the first node's data: the others are stopped, forget theirs, and come back in turn.

    Forgotten is also what they keep to feed others with (galera.cache): it is of a history that never was.
    """
    first, *others = lab.nodes
    for node in others:
        lab.exec(first, ["crm_resource", "--ban", "--resource", "galera-clone", "--node", node])
    for node in others:
        wait(lambda node=node: not galera(lab, node), 120)
        lab.exec(node, ["sh", "-c", "cd /var/lib/mysql && rm -f grastate.dat gvwstate.dat galera.cache"])
    for size, node in enumerate(others, 2):
        lab.exec(first, ["crm_resource", "--clear", "--resource", "galera-clone", "--node", node])
        wait(lambda node=node, size=size: galera(lab, node) == ["Primary", str(size), "Synced"], 180)


def galera(lab: Lab, node: str) -> list[str]:
    """The state of the component that *node* is in, its size, and the node's own state; nothing when it is down."""
    names = ("wsrep_cluster_status", "wsrep_cluster_size", "wsrep_local_state_comment")
    sql = "".join(f"SHOW STATUS LIKE '{name}';" for name in names)
    rows = lab.exec(node, ["mariadb", "--skip-column-names", "--batch"], stdin=sql, timeout=20, check=False).out
    return [line.split("\t")[1] for line in rows.splitlines()]


def wait(done: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(1.0)
