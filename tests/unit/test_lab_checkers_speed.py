"""A long run is read and judged in a time that grows with its length, and not faster."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from histories import NODES

from quorate.lab.checker import VALID, Checker, judge
from quorate.lab.checkers.availability import Availability
from quorate.lab.checkers.bank import BankChecker
from quorate.lab.checkers.catalogue import CatalogueChecker
from quorate.lab.checkers.queue import QueueChecker
from quorate.lab.checkers.recovery import Recovery
from quorate.lab.checkers.register import RegisterChecker
from quorate.lab.checkers.sets import SetChecker
from quorate.lab.checkers.tokens import TokenChecker
from quorate.lab.history import FAULT, FINAL, INJECTED, RECOVERED, read_history

CHECKERS: tuple[Checker, ...] = (
    SetChecker("set", "insert", "read"),
    QueueChecker("queue"),
    BankChecker("bank", 1600, 16),
    RegisterChecker("register"),
    TokenChecker("token"),
    CatalogueChecker("catalogue"),
)
KEPT = 8


def calls(rounds: int) -> Iterator[tuple[str, str, Any, Any]]:
    """Workload, function, value and result of an eighth as many rounds as there will be operations."""
    numbers = dict.fromkeys(range(12), 0)
    for n in range(rounds):
        yield "set", "insert", n, None
        yield "queue", "publish", n, None
        yield "queue", "consume", None, n - 100 if n >= 100 else None
        yield "bank", "transfer", [n % 16, (n + 1) % 16, 1], None
        key = n % 12
        numbers[key] += 1
        yield "register", "write", [key, numbers[key]], None
        yield "register", "read", key, numbers[key]
        yield "token", "issue", n, None
        yield "token", "validate", n, "valid"
        yield "catalogue", "create-keypair", f"k{n}", None
        yield "catalogue", "list-keypairs", None, [f"k{m}" for m in range(max(0, n - KEPT), n + 1)]
        if n >= KEPT:
            yield "catalogue", "delete-keypair", f"k{n - KEPT}", None


def write(path: Path, operations: int) -> int:
    """A correct history of about so many operations; how many they are."""
    rounds = operations // 11
    index, t, lines = 0, 0.0, [{"type": "run", "nodes": list(NODES), "workloads": [c.name for c in CHECKERS]}]

    def add(workload: str, f: str, value: Any, result: Any, node: str = "n1", final: bool = False) -> None:
        nonlocal index, t
        index, t = index + 1, round(t + 0.001, 6)
        first = {"type": "invoke", "i": index, "w": workload, "p": 1, "f": f, "v": value, "t": t, "wall": 1e9 + t}
        lines.append({**first, "final": True} if final else first)
        t = round(t + 0.001, 6)
        lines.append({"type": "ok", "i": index, "t": t, "n": node, **({} if result is None else {"r": result})})

    def mark(name: str, **detail: Any) -> None:
        lines.append({"type": "mark", "name": name, "t": t, "wall": 1e9 + t, "detail": detail})

    for n, call in enumerate(calls(rounds)):
        if n == 500:
            mark(FAULT)
            mark(INJECTED, nodes=["n1"])
        elif n == 1000:
            mark(RECOVERED)
        add(*call)
    mark(FINAL)
    for start in range(max(0, rounds - 100), rounds, 200):
        add("queue", "drain", None, list(range(start, rounds)), final=True)
    add("queue", "drain", None, [], final=True)
    for node in NODES:
        for start in range(0, rounds, 5000):
            add("set", "read", [start, start + 5000], list(range(start, min(rounds, start + 5000))), node, True)
        moved = [rounds // 16 + (account < rounds % 16) for account in range(16)]
        balances = {str(account): 100 - moved[account] + moved[account - 1] for account in range(16)}
        add("bank", "read", None, balances, node, True)
        for key in range(12):
            add("register", "read", key, len(range(key, rounds, 12)), node, True)
        add("catalogue", "list-keypairs", None, [f"k{m}" for m in range(rounds - KEPT, rounds)], node, True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return index


def judged(path: Path) -> float:
    """Seconds of processor time to read *path* and have every checker look at it."""
    began = time.process_time()
    history = read_history(path)
    verdicts = [judge(checker, history) for checker in CHECKERS]
    verdicts += [judge(Availability(checker.name), history) for checker in CHECKERS]
    verdicts.append(judge(Recovery(), history))
    seconds = time.process_time() - began
    assert [(v.checker, v.words) for v in verdicts if v.value != VALID] == []
    return seconds


def test_the_time_grows_with_the_length(tmp_path: Path) -> None:
    small, large = write(tmp_path / "small", 20_000), write(tmp_path / "large", 100_000)
    assert large > 95_000
    few, many = min(judged(tmp_path / "small") for _ in range(2)), judged(tmp_path / "large")
    print(f"{small} operations: {few:.2f} s; {large} operations: {many:.2f} s")
    # Five times the length: 25 times the work where it is quadratic.
    assert many < 12 * few


def test_a_long_run_full_of_violations_is_no_slower(tmp_path: Path) -> None:
    """What goes wrong is quoted a few times only, however often it goes wrong."""
    seconds = []
    for operations in (10_000, 50_000):
        path = tmp_path / str(operations)
        write(path, operations)
        text = path.read_text().replace('"f": "insert"', '"f": "forgot"').replace('"f": "publish"', '"f": "sent"')
        text = text.replace('"r": "valid"', '"r": "gone"').replace('"f": "create-keypair"', '"f": "made"')
        path.write_text(text.replace('"f": "write"', '"f": "wrote"'))
        began = time.process_time()
        history = read_history(path)
        assert not [
            checker for checker in CHECKERS if judge(checker, history).value == VALID and checker.name != "bank"
        ]
        seconds.append(time.process_time() - began)
    assert seconds[1] < 12 * seconds[0]
