"""Runs that never happened, as the runner would have recorded them: histories and outcomes for tests of reports."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict
from quorate.lab.fault import Injected
from quorate.lab.history import AUDIT, EVENT, FAIL, INFO, OK, History, Mark, Op, read_history
from quorate.lab.report.model import Header, Machine, Report
from quorate.lab.report.write import Book
from quorate.lab.run import Outcome
from quorate.lab.scenario import Scenario

WALL = 1_790_000_000.0
NODES = ("n1", "n2", "n3")
LOADS = {
    "keystone": 0.022,
    "nova-api": 0.045,
    "dashboard": 0.060,
    "queue-mirrored": 0.006,
    "queue-quorum": 0.009,
    "sql-set": 0.004,
    "sql-bank": 0.007,
}
"""Workloads and their usual latency (s)."""
PLANTED = "<script>alert('&\"')</script>\x1b[31m\x00"
HEADER = Header(
    date="2026-11-22T16:20:00Z",
    quorate="0.1.0",
    commit="4ad4261fe012",
    machine=Machine(2, 23.5, "6.1.0-41-cloud-amd64", "20.10.24+dfsg1"),
    versions={
        "pacemaker": "2.1.5-1+deb12u1",
        "corosync": "3.1.7-1",
        "RabbitMQ": "3.10.8-1.1+deb12u1",
        "MariaDB": "1:10.11.14-0+deb12u2",
        "keystone": "2:22.0.2-0+deb12u1",
        "nova": "2:26.2.2-1~deb12u3",
        "resource-agents": "1:4.12.0-2",
    },
    topology="quorate",
    agents={
        "galera": "ocf:quorate:galera",
        "rabbitmq": "ocf:quorate:rabbitmq",
        "keystone": "ocf:quorate:keystone",
        "nova-api": "ocf:quorate:nova-api",
        "dashboard": "ocf:quorate:dashboard",
    },
    seed=7,
)


@dataclass(frozen=True)
class Named:
    """A fault that has only its name."""

    name: str
    about: str = "something breaks"

    def available(self, lab: object) -> str:
        return ""

    @contextmanager
    def inject(self, lab: object, chance: random.Random) -> Iterator[Injected]:
        yield Injected((), "")


@dataclass(frozen=True)
class Plan:
    """A run to be made up: *silence* are seconds after the fault without success per workload, *spill* a bare second
    in which requests fail, *events* are (seconds since the fault, kind, node, text)."""

    name: str
    about: str
    injected: str
    silence: Mapping[str, float] = field(default_factory=dict)
    hold: float = 0.0
    whole: float | None = 12.0
    events: Sequence[tuple[float, str, str, str]] = ()
    error: str = "n2: connection refused"
    rate: float = 20.0
    verdicts: tuple[Verdict, ...] = ()
    trouble: str = ""
    nodes: tuple[str, ...] = ("n2",)
    expect: str = VALID


KILL = Plan(
    "kill-galera",
    "kill -9 of galera on one node",
    "SIGKILL: n2: 1 process",
    {"sql-set": 5.4, "sql-bank": 5.2, "keystone": 0.9},
    whole=14.3,
    events=(
        (3.9, "failed", "n2", "monitor of galera: not running (the process of galera is gone)"),
        (4.1, "stop", "n2", "stop of galera"),
        (4.6, "stopped", "n2", "galera"),
        (4.8, "start", "n2", "start of galera"),
        (12.7, "started", "n2", "galera"),
    ),
)
POWER = Plan(
    "power-off",
    "the power of one node is cut",
    "power: n2 is off",
    {"keystone": 1.4, "nova-api": 3.2, "queue-mirrored": 5.8, "queue-quorum": 7.4, "sql-set": 6.3, "sql-bank": 6.1},
    hold=6.0,
    whole=48.7,
    events=(
        (3.6, "membership-lost", "n2", "n2 left, n1 and n3 remain"),
        (3.7, "quorum", "n1", "n1 has quorum"),
        (3.7, "dc", "n1", "n1 is the DC"),
        (3.9, "fencing", "n2", "fencing (reboot) of n2 requested: peer is no longer part of the cluster"),
        (5.8, "fenced", "n2", "n2 was fenced (reboot) by n1"),
        (11.2, "membership-joined", "n2", "n2 joined"),
        *((13.0 + i * 0.2, "start", "n2", f"start of {s}") for i, s in enumerate(("galera", "rabbitmq", "dashboard"))),
        (13.9, "started", "n2", "dashboard"),
        (19.6, "started", "n2", "galera"),
        (28.2, "started", "n2", "rabbitmq"),
        (28.4, "start", "n2", "start of keystone"),
        (40.6, "started", "n2", "keystone"),
        (40.7, "start", "n2", "start of nova-api"),
        (48.0, "started", "n2", "nova-api"),
    ),
)


def history(plan: Plan, seed: int = 7) -> History:
    """The run of *plan*, the same for the same *seed*."""
    chance = random.Random(seed)
    fault = 7.2
    end = fault + max(plan.hold, plan.whole if plan.whole is not None else 60.0) + 5.0
    ops: list[Op] = []
    for workload, usual in LOADS.items():
        silent = (fault, fault + plan.silence.get(workload, 0.0))
        t, number, busy = 0.3, 0, [0.0] * 6
        while t < end:
            worker = min(range(6), key=busy.__getitem__)
            began = max(t, busy[worker])
            took = usual * chance.lognormvariate(0.0, 0.35) * (3 if fault < began < fault + 9 else 1)
            outcome, error, node = OK, "", NODES[number % 3]
            if silent[0] < began + took < silent[1]:
                kind = chance.random()
                if kind < 0.25:
                    outcome, error, took = FAIL, plan.error, 0.02 + chance.random() / 5
                elif kind < 0.4:
                    outcome, error, took = INFO, "OperationalError: (2013, 'Lost connection')", chance.random()
                else:
                    took = silent[1] - began + chance.random() / 3
            if began > end:
                break
            ops.append(
                Op(
                    0,
                    workload,
                    worker + 1,
                    "insert",
                    number,
                    began,
                    began + took,
                    outcome,
                    node,
                    None,
                    error,
                    WALL + began,
                )
            )
            busy[worker] = began + took
            number += 1
            t += 1 / plan.rate
    ops.sort(key=lambda op: op.began)
    numbered = [
        Op(i, o.workload, o.worker, o.f, o.value, o.began, o.ended, o.outcome, o.node, o.result, o.error, o.wall)
        for i, o in enumerate(ops, 1)
    ]
    marks = [("fault", fault, {"fault": plan.name})]
    marks.append(("injected", fault + 0.11, {"nodes": list(plan.nodes), "words": plan.injected, "facts": {}}))
    if plan.hold:
        marks.append(("healing", fault + plan.hold, {}))
    marks.append(("healed", fault + plan.hold + 0.2, {}))
    if plan.whole is not None:
        marks.append(("recovered", fault + plan.whole, {}))
    marks.append(("final", end, {}))
    marks += [(AUDIT, end + 1, {"name": "resources", "value": "valid", "seen": "all active everywhere"})]
    marks += [(EVENT, fault + t, {"kind": kind, "node": node, "text": text}) for t, kind, node, text in plan.events]
    marks.append(("end", end + 2, {}))
    header = {"type": "run", "wall": WALL, "scenario": plan.name, "seed": seed, "workloads": list(LOADS)}
    header["nodes"] = list(NODES)
    made = sorted((Mark(name, t, WALL + t, detail) for name, t, detail in marks), key=lambda mark: mark.t)
    return History(header, tuple(numbered), tuple(made))


def dump(made: History, path: Path) -> None:
    """Write *made* as the runner does."""
    lines: list[tuple[float, dict[str, Any]]] = [(-1.0, dict(made.header))]
    for op in made.ops:
        invoked = {"type": "invoke", "i": op.index, "w": op.workload, "p": op.worker, "f": op.f, "v": op.value}
        lines.append((op.began, {**invoked, "t": op.began, "wall": op.wall}))
        lines.append((op.ended, {"type": op.outcome, "i": op.index, "t": op.ended, "n": op.node, "e": op.error}))
    for mark in made.marks:
        said = {"type": "mark", "name": mark.name, "t": mark.t, "wall": mark.wall, "detail": dict(mark.detail)}
        lines.append((mark.t, said))
    lines.sort(key=lambda pair: pair[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for _, line in lines), encoding="utf-8")


def outcome(plan: Plan, folder: Path, seed: int = 7, *, subfolder: str = "") -> Outcome:
    """*plan* as if it had run, with its history on disk and the verdicts that such a run has."""
    place = folder / (subfolder or plan.name)
    dump(history(plan, seed), place / "history.jsonl")
    made = read_history(place / "history.jsonl")
    acknowledged = len([op for op in made.of("sql-set") if op.outcome == OK])
    words = f"all {acknowledged} acknowledged elements are on each of 3 nodes"
    whole = f"whole again {plan.whole:.1f} s after the fault" if plan.whole is not None else "the cluster is not whole"
    verdicts = plan.verdicts or (
        Verdict("recovery", VALID if plan.whole is not None else UNKNOWN, whole),
        Verdict("audits", VALID, "11 audits found nothing", {"audits": 11}),
        Verdict("sql-set", VALID, words, {"attempted": acknowledged + 3, "lost": 0, "unexpected": 0, "recovered": 2}),
        Verdict("queue-quorum", VALID, "all 800 messages arrived", {"published": 800, "lost": 0, "duplicated": 1}),
    )
    scenario = Scenario(plan.name, plan.about, Named(plan.name), tuple(LOADS), plan.hold, expect=plan.expect)  # type: ignore[arg-type]
    return Outcome(scenario, seed, place, made, verdicts, plan.trouble)


def save(folder: Path, outcomes: Sequence[Outcome], header: Header = HEADER) -> Report:
    """Write the report of *outcomes* into *folder*, as a run does that ends well."""
    nowhere: Any = None  # what is known of the lab is in *header*: nobody asks it
    with Book(folder, nowhere, header) as book:
        for each in outcomes:
            report = book.add(each)
    return report


LOST = Verdict(
    "queue-quorum",
    INVALID,
    "12 acknowledged messages lost, 0 that nobody published",
    {"published": 800, "lost": 12, "duplicated": 4},
    (
        f"#1201 queue-quorum publish 511 at n2, 9.120-9.140 s: ok ({PLANTED})",
        "#1203 queue-quorum publish 512 at n3, 9.170-9.181 s: ok",
    ),
)


def thirty(folder: Path, rate: float = 20.0) -> list[Outcome]:
    """Thirty runs of all sorts."""
    made = []
    for number in range(30):
        base = (KILL, POWER)[number % 3 == 1]
        chance = random.Random(number)
        silence = {
            name: value * chance.uniform(0.1, 3) for name, value in base.silence.items() if chance.random() < 0.7
        }
        plan = Plan(
            f"{base.name}-{number:02d}",
            base.about,
            base.injected,
            silence,
            base.hold,
            base.whole,
            base.events,
            expect=UNKNOWN if number == 11 else VALID,
        )
        if number == 4:
            plan = Plan("two-nodes-off", plan.about, plan.injected, silence, 20.0, 80.0, base.events, verdicts=(LOST,))
        if number == 9:
            plan = Plan(
                "isolate-one",
                "one node is cut off from the others",
                "partition: n2 | n1 n3",
                {"keystone": 62.0, "nova-api": 62.0, "sql-set": 70.0},
                30.0,
                None,
                base.events[:4],
                trouble="the cluster is not whole 180 s after the fault: rabbitmq on n2: not active; keystone on n2 "
                "does not answer (timed out)",
                verdicts=(Verdict("recovery", INVALID, "the cluster is not whole 180 s after the fault"),),
            )
        made.append(outcome(replace(plan, rate=rate), folder, number))
    return made
