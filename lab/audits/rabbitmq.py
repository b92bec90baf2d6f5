"""Audits of RabbitMQ: one cluster in every node's eyes, and every queue with all its members."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from quorate.lab.audits.evidence import Answer, Audit, Evidence, Opinion, Question

STATUS = Question("rabbitmq status", ("rabbitmqctl", "cluster_status", "--formatter", "json"), timeout=20)
QUEUES = Question(
    "rabbitmq queues",
    (
        *("rabbitmqctl", "list_queues", "--quiet", "--timeout", "15", "--formatter", "json"),
        *("name", "type", "members", "online", "slave_pids", "synchronised_slave_pids", "state"),
    ),
    timeout=20,
    once=True,
)
_DOWN = ("down", "crashed", "stopped", "minority", "terminated")


def cluster(evidence: Evidence) -> Opinion:
    """Every node's view: all nodes are members and run, no partition, no alarm."""
    wrong: list[str] = []
    told = evidence.told(STATUS)
    for answer in told:
        said = _object(answer)
        if isinstance(said, dict):
            wrong += [f"{answer.node} sees: {phrase}" for phrase in divided(said, evidence.nodes)]
        else:
            wrong.append(f"rabbitmqctl on {answer.node}: {answer.complaint}")
    fine = f"{len(told)} nodes see each other, no partition, no alarm"
    return Opinion(fine, tuple(wrong), evidence.silent(STATUS))


def divided(status: dict[str, Any], nodes: Sequence[str]) -> list[str]:
    """What one node's cluster status says against a whole cluster of *nodes*."""
    found = []
    members = _hosts([*status.get("disk_nodes", ()), *status.get("ram_nodes", ())])
    running = _hosts(status.get("running_nodes", ()))
    if members != set(nodes):
        found.append(f"the members are {_list(members)}")
    if running != set(nodes):
        found.append(f"running are only {_list(running)}" if running < set(nodes) else f"running are {_list(running)}")
    if status.get("partitions"):
        found.append(f"partitions: {json.dumps(status['partitions'])}")
    if status.get("alarms"):
        found.append(f"alarms: {json.dumps(status['alarms'])}")
    for node, state in status.get("maintenance_status", {}).items():
        if state not in ("not under maintenance", "unknown"):
            found.append(f"{node} is {state}")
    return found


def queues(evidence: Evidence) -> Opinion:
    """Quorum queues with a member online on every node; mirrored ones with a synchronised copy on every other one."""
    wrong: list[str] = []
    count = 0
    for answer in evidence.told(QUEUES):
        said = _object(answer)
        if isinstance(said, list):
            wrong += [phrase for queue in said for phrase in incomplete(queue, evidence.nodes)]
            count = len(said)
        else:
            wrong.append(f"rabbitmqctl on {answer.node}: {answer.complaint}")
    return Opinion(f"{count} queues with all their members", tuple(wrong), evidence.silent(QUEUES))


def incomplete(queue: dict[str, Any], nodes: Sequence[str]) -> list[str]:
    """What *queue*, a row of list_queues, lacks. A field that does not apply to a queue is an empty string there."""
    name, found = f"queue {queue['name']!r}", []
    if str(queue.get("state")) in _DOWN:
        found.append(f"{name} is {queue['state']}")
    if queue.get("type") == "quorum":
        online = _hosts(queue.get("online") or ())
        if online != set(nodes):
            found.append(f"{name} has members online on {_list(online)} only")
    elif isinstance(queue.get("slave_pids"), list):
        mirrors, synchronised = len(queue["slave_pids"]), len(queue.get("synchronised_slave_pids") or ())
        if synchronised < len(nodes) - 1:
            found.append(f"{name} has {synchronised} synchronised mirrors of {mirrors}, not {len(nodes) - 1}")
    return found


def _object(answer: Answer) -> Any:
    """What the command printed as JSON; None when it failed, or printed something else."""
    try:
        return json.loads(answer.out) if answer.rc == 0 else None
    except ValueError:
        return None


def _hosts(names: Sequence[str]) -> set[str]:
    return {name.partition("@")[2] or name for name in names}


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


AUDITS = (
    Audit("rabbitmq cluster", cluster, (STATUS,), "rabbitmq"),
    Audit("rabbitmq queues", queues, (QUEUES,), "rabbitmq"),
)
