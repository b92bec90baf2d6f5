"""Audits of Galera: one primary component, and the same data on every node of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quorate.lab.audits.evidence import Answer, Audit, Evidence, Opinion, Question

_STATUS = """\
SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN
 ('WSREP_CLUSTER_STATUS', 'WSREP_CLUSTER_SIZE', 'WSREP_CLUSTER_STATE_UUID', 'WSREP_LOCAL_STATE_COMMENT', 'WSREP_READY');
"""
_COMMITTED = """\
SELECT '{}', VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_LAST_COMMITTED';
"""
# Whatever this node has been sent but not applied yet is waited for before the tables are summed up.
_CHECKSUMS = """\
SET SESSION wsrep_sync_wait = 1;
SET SESSION group_concat_max_len = 1048576;
SET @tables = (SELECT GROUP_CONCAT(CONCAT('`', TABLE_SCHEMA, '`.`', TABLE_NAME, '`')) FROM information_schema.TABLES
 WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema'));
SET @look = IF(@tables IS NULL, 'DO 0', CONCAT('CHECKSUM TABLE ', @tables));
PREPARE look FROM @look;
EXECUTE look;
"""
STATE = Question(
    "galera",
    ("mariadb", "--batch", "--skip-column-names"),
    stdin=_STATUS + _COMMITTED.format("before") + _CHECKSUMS + _COMMITTED.format("after"),
    timeout=18,
)


@dataclass(frozen=True)
class State:
    """One node: its *status* variables, what it had committed *before* and *after* the sums, and each table's sum."""

    status: Mapping[str, str]
    before: int
    after: int
    tables: Mapping[str, str]


def parse(text: str) -> State:
    """The rows that :data:`STATE` prints. A node that broke off has nothing *after* (-1)."""
    rows = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    status = {name.lower(): value for name, value in rows.items() if name.startswith("WSREP_")}
    tables = {name: value for name, value in rows.items() if "." in name}
    return State(status, int(rows.get("before", -1)), int(rows.get("after", -1)), tables)


def component(evidence: Evidence) -> Opinion:
    """Every node is synchronised, in the one primary component of all nodes."""
    wrong: list[str] = []
    states = _states(evidence)
    for answer in evidence.told(STATE):
        state = states[answer.node]
        if state.status:
            wrong += [f"{answer.node}: {phrase}" for phrase in apart(state.status, len(evidence.nodes))]
        else:
            wrong.append(f"the database on {answer.node} does not answer: {answer.complaint}")
    ids = {state.status.get("wsrep_cluster_state_uuid") for state in states.values() if state.status}
    if len(ids) > 1:
        wrong.append("the nodes are of different clusters")
    fine = f"{len(states)} nodes synchronised in one primary component"
    return Opinion(fine, tuple(wrong), evidence.silent(STATE))


def apart(status: Mapping[str, str], nodes: int) -> list[str]:
    """What a node's *status* says against its being a synchronised member of a component of so many *nodes*."""
    wanted = {
        "wsrep_cluster_status": "Primary",
        "wsrep_cluster_size": str(nodes),
        "wsrep_local_state_comment": "Synced",
        "wsrep_ready": "ON",
    }
    return [f"{name} is {status.get(name)}" for name, value in wanted.items() if status.get(name) != value]


def data(evidence: Evidence) -> Opinion:
    """The nodes have committed the same, and every table has the same checksum on all of them."""
    told, unseen = evidence.told(STATE), list(evidence.silent(STATE))
    unseen += [f"the tables of {a.node} could not be summed up: {a.complaint}" for a in told if a.rc]
    states = {answer.node: state for answer in told if (state := _states(evidence)[answer.node]).after >= 0}
    before = _states(evidence.earlier) if evidence.earlier else {}
    different = diverging(states)
    positions = {state.before for state in states.values()} | {state.after for state in states.values()}
    wrong: list[str] = []
    if len(positions) <= 1:
        wrong = different
    else:
        # Sums that were taken a moment apart say nothing, unless they have stayed what they were.
        lasting = {phrase for phrase in diverging(before) if phrase in different}
        wrong = [*behind(states, before), *(phrase for phrase in different if phrase in lasting)]
        if len(lasting) < len(different) or evidence.earlier is None:
            unseen.append("the databases are being written to")
    tables = max((len(state.tables) for state in states.values()), default=0)
    fine = f"{tables} tables alike on {len(states)} nodes, which have committed {max(positions, default=0)}"
    return Opinion(fine, tuple(wrong), tuple(unseen))


def diverging(states: Mapping[str, State]) -> list[str]:
    """The tables that are not the same on all nodes."""
    names = sorted({name for state in states.values() for name in state.tables})
    found = []
    for name in names:
        sums = {node: state.tables.get(name, "missing") for node, state in states.items()}
        if len(set(sums.values())) > 1:
            found.append(f"table {name} differs: " + ", ".join(f"{node} {value}" for node, value in sums.items()))
    return found


def behind(states: Mapping[str, State], earlier: Mapping[str, State]) -> list[str]:
    """The nodes that have not yet committed what another one had at the *earlier* look."""
    reached = max((state.after for state in earlier.values()), default=-1)
    return [
        f"{node} has committed {state.after}, another node had {reached} a while before"
        for node, state in states.items()
        if state.after < reached
    ]


def _states(evidence: Evidence) -> dict[str, State]:
    return {answer.node: _state(answer) for answer in evidence.told(STATE)}


def _state(answer: Answer) -> State:
    return parse(answer.out)


AUDITS = (
    Audit("galera component", component, (STATE,), "galera"),
    Audit("galera data", data, (STATE,), "galera"),
)
