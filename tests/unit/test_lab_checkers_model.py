"""Executions of a correct service, clients side by side and answers lost, are valid; with one violation they never are.

Each execution comes from a model: an operation takes effect at one moment between its two ends, one without answer
at any later moment too, or never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

from histories import LOAD, NODES, Told
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Checker, Verdict
from quorate.lab.checkers.audits import Audits
from quorate.lab.checkers.availability import Availability
from quorate.lab.checkers.bank import BankChecker
from quorate.lab.checkers.catalogue import CatalogueChecker
from quorate.lab.checkers.finding import SETTLE
from quorate.lab.checkers.queue import QueueChecker
from quorate.lab.checkers.recovery import Recovery
from quorate.lab.checkers.register import RegisterChecker
from quorate.lab.checkers.sets import SetChecker
from quorate.lab.checkers.tokens import TokenChecker
from quorate.lab.history import AUDIT, FAIL, FAULT, INFO, OK, RECOVERED, Op

SEEDS = st.integers(0, 2**32)
FEW = settings(max_examples=80)
CLIENTS = 5

Effect = Callable[[], tuple[str, Any]]
"""What happens to the model when an operation takes effect: an outcome and a result."""


class Model:
    """Collects operations with the moment of their effect, and lets them happen in that order."""

    def __init__(self, chance: Random, *, lossy: bool = True) -> None:
        self.chance = chance
        self.lossy = lossy
        self.told = Told().warm().fault()
        self.free = [self.told.now] * CLIENTS
        self._waiting: list[tuple[float, int, Effect]] = []
        self._answers: dict[int, tuple[str, Any]] = {}

    def load(self, f: str, value: Any, effect: Effect, *, pure: bool = False) -> None:
        """One client, the one that is free first, asks for *f*."""
        client = min(range(CLIENTS), key=self.free.__getitem__)
        began = self.free[client] + self.chance.random() * 0.1
        took = self.chance.random() * 0.3
        fate = self.chance.random() if self.lossy else 1.0
        if fate < 0.1:
            self.told.op(FAIL, f, value, at=began, took=took, node=self.chance.choice(NODES))
        elif fate < 0.2 and not pure:
            self.told.info(f, value, at=began, took=took, node="")
            if self.chance.random() < 0.6:
                self._at(began + self.chance.random() * 3, len(self.told.ops) - 1, effect)
        else:
            self.told.ok(f, value, at=began, took=took, node=self.chance.choice(NODES))
            self._at(began + self.chance.random() * took, len(self.told.ops) - 1, effect)
        self.free[client] = began + took + 1e-4

    def _at(self, moment: float, place: int, effect: Effect) -> None:
        self._waiting.append((moment, place, effect))

    def happen(self) -> Told:
        """Every effect in its turn; then a pause in which nothing is left that could still happen."""
        for _, place, effect in sorted(self._waiting, key=lambda one: one[:2]):
            op = self.told.ops[place]
            outcome, result = effect()
            if op.outcome == OK:
                self.told.ops[place] = replace(op, outcome=outcome, result=result)
        self.told.now = max(op.ended for op in self.told.ops) + SETTLE + 4
        return self.told


def alter(told: Told, old: Op, **changes: Any) -> None:
    told.ops[told.ops.index(old)] = replace(old, **changes)


def pick(chance: Random, ops: Iterator[Op] | list[Op]) -> Op:
    return chance.choice(list(ops))


def some(told: Told, f: str, outcome: str = OK, final: bool | None = None) -> list[Op]:
    return [op for op in told.ops if op.f == f and op.outcome == outcome and final in (None, op.final)]


def valid(checker: Checker, told: Told) -> None:
    verdict = checker.check(told.history)
    assert verdict.value == VALID, (verdict.words, verdict.offending)


def invalid(checker: Checker, told: Told) -> Verdict:
    verdict = checker.check(told.history)
    assert verdict.value == INVALID, verdict.words
    assert verdict.offending
    return verdict


# -- the set ---------------------------------------------------------------------------------------------

SET = SetChecker(LOAD, "insert", "read")


def a_set(chance: Random) -> Told:
    model, there = Model(chance), set()
    for n in range(40):
        model.load("insert", n, lambda n=n: (OK, there.add(n)))
    told = model.happen()
    for node in NODES:
        for start in range(0, 40, 16):
            found = sorted(n for n in there if start <= n < start + 16)
            told.ok("read", [start, start + 16], found, node=node, final=True)
    return told


@FEW
@given(SEEDS, st.sampled_from(["lost", "stranger", "failed", "twice", "diverged", "unread"]))
def test_set(seed: int, violation: str) -> None:
    chance = Random(seed)
    told = a_set(chance)
    valid(SET, told)
    read = pick(chance, some(told, "read"))
    start, end = read.value
    if violation == "unread":
        told.ops.remove(read)
        assert SET.check(told.history).value == UNKNOWN
        return
    if violation == "lost":
        n = chance.choice([op.value for op in some(told, "insert") if start <= op.value < end])
        changed = [m for m in read.result if m != n]
    elif violation == "stranger":
        changed = [*read.result, 4711]
    elif violation == "twice":
        changed = [*read.result, chance.choice(read.result)]
    else:
        wanted = FAIL if violation == "failed" else INFO
        candidates = [op.value for op in some(told, "insert", wanted) if start <= op.value < end]
        if not candidates:
            return
        n = chance.choice(candidates)
        changed = [m for m in read.result if m != n] if n in read.result else [*read.result, n]
    alter(told, read, result=changed)
    invalid(SET, told)


# -- the queue -------------------------------------------------------------------------------------------

QUEUE = QueueChecker(LOAD)


def a_queue(chance: Random) -> tuple[Told, int]:
    """An execution, and how many messages consumers without answer took with them."""
    model, queue, blind = Model(chance), [], []

    def consume() -> tuple[str, Any]:
        return (OK, queue.pop(0)) if queue else (OK, None)

    def vanish() -> tuple[str, Any]:
        # Delivered and acknowledged, and nobody heard of it.
        if queue:
            blind.append(queue.pop(0))
        return INFO, None

    def unsure() -> tuple[str, Any]:
        if not queue:
            return OK, None
        n = queue.pop(0)
        if chance.random() < 0.5:
            queue.insert(chance.randrange(len(queue) + 1), n)
        return INFO, n

    for n in range(40):
        model.load("publish", n, lambda n=n: (OK, queue.append(n)))
        if chance.random() < 0.6:
            model.load("consume", None, chance.choices((consume, unsure, vanish), (8, 1, 1))[0], pure=True)
    told = model.happen()
    while queue:
        told.ok("drain", None, [queue.pop(0) for _ in range(min(7, len(queue)))], final=True)
    told.ok("drain", None, [], final=True)
    confirmed = {op.value for op in some(told, "publish")}
    return told, len(confirmed.intersection(blind) - seen_in(told))


@FEW
@given(SEEDS, st.sampled_from(["lost", "stranger", "failed", "early", "undrained"]))
def test_queue(seed: int, violation: str) -> None:
    chance = Random(seed)
    told, taken = a_queue(chance)
    verdict = QUEUE.check(told.history)
    assert verdict.value == (UNKNOWN if taken else VALID), verdict.words
    assert verdict.figures["uncertain"] == taken
    if violation == "lost":
        spare = sum(op.f == "consume" and op.outcome == INFO and op.result is None for op in told.ops) - taken
        confirmed = {op.value for op in some(told, "publish")}
        seen = [op.result for op in told.ops if op.f == "consume"] + [
            n for op in some(told, "drain") for n in op.result
        ]
        for n in chance.sample(sorted(confirmed.intersection(seen)), spare + 1):
            assert QUEUE.check(told.history).value != INVALID
            forget(told, n)
            assert QUEUE.check(told.history).value != VALID
    elif violation == "undrained":
        told.ops.pop()
        assert QUEUE.check(told.history).value == UNKNOWN
        return
    elif violation == "early":
        n = chance.choice(some(told, "publish")).value
        told.ok("consume", None, n, at=0.0)
    else:
        candidates = [4711] if violation == "stranger" else [op.value for op in some(told, "publish", FAIL)]
        if not candidates:
            return
        told.ok("consume", None, chance.choice(candidates), at=told.ops[-1].began - 1)
    invalid(QUEUE, told)


def seen_in(told: Told) -> set[int]:
    return {op.result for op in told.ops if op.f == "consume"} | {n for op in some(told, "drain") for n in op.result}


def forget(told: Told, n: int) -> None:
    for op in list(told.ops):
        if op.f == "consume" and op.result == n:
            # Acknowledged, and then nothing: the answer of an empty queue.
            alter(told, op, result=None, outcome=OK)
        elif op.f == "drain" and n in op.result:
            alter(told, op, result=[m for m in op.result if m != n])


# -- the bank --------------------------------------------------------------------------------------------

BANK = BankChecker(LOAD, 500, 5)


def a_bank(chance: Random) -> Told:
    """Its amounts are tens: nothing explains a single coin."""
    model, balances = Model(chance), [100] * 5

    def transfer(start: int, end: int, amount: int) -> tuple[str, Any]:
        if balances[start] < amount:
            return FAIL, None
        balances[start] -= amount
        balances[end] += amount
        return OK, None

    def shown() -> tuple[str, Any]:
        return OK, {str(account): balance for account, balance in enumerate(balances)}

    for _ in range(60):
        if chance.random() < 0.7:
            start, end = chance.sample(range(5), 2)
            amount = chance.randint(1, 4) * 10
            model.load("transfer", [start, end, amount], lambda a=start, b=end, n=amount: transfer(a, b, n))
        else:
            model.load("read", None, shown, pure=True)
    told = model.happen()
    for node in NODES:
        told.ok("read", None, shown()[1], node=node, final=True)
    return told


@FEW
@given(SEEDS, st.sampled_from(["made", "account", "negative", "moved", "diverged", "unread"]))
def test_bank(seed: int, violation: str) -> None:
    chance = Random(seed)
    told = a_bank(chance)
    valid(BANK, told)
    final = some(told, "read", final=True)
    read = pick(chance, final if violation in ("diverged", "unread") else some(told, "read"))
    a, b = chance.sample(sorted(read.result), 2)
    if violation == "unread":
        told.ops.remove(read)
        assert BANK.check(told.history).value == UNKNOWN
        return
    if violation == "made":
        alter(told, read, result={**read.result, a: read.result[a] + chance.choice((-10, -1, 1, 10))})
    elif violation == "account":
        alter(told, read, result={account: n for account, n in read.result.items() if account != a})
    elif violation == "negative":
        whole = read.result[a] + read.result[b]
        alter(told, read, result={**read.result, a: -1, b: whole + 1})
    else:
        for op in final if violation == "moved" else [read]:
            alter(told, op, result={**op.result, a: op.result[a] + 1, b: op.result[b] - 1})
    invalid(replace(BANK, overdraft=violation != "negative"), told)


# -- the register ----------------------------------------------------------------------------------------

REGISTER = RegisterChecker(LOAD)


def a_register(chance: Random) -> Told:
    model, keys, numbers = Model(chance), {}, dict.fromkeys("abc", 0)

    def write(key: str, n: int) -> tuple[str, Any]:
        keys[key] = max(n, keys.get(key, 0))
        return OK, None

    for _ in range(120):
        key = chance.choice("abc")
        if chance.random() < 0.5:
            numbers[key] += 1
            model.load("write", [key, numbers[key]], lambda k=key, n=numbers[key]: write(k, n))
        else:
            model.load("read", key, lambda k=key: (OK, keys.get(k)), pure=True)
    told = model.happen()
    for node in NODES:
        for key in "abc":
            told.ok("read", key, keys.get(key), node=node, final=True)
    return told


@FEW
@given(SEEDS, st.sampled_from(["stale", "backwards", "lost", "stranger", "failed", "early", "unread"]))
def test_register(seed: int, violation: str) -> None:
    chance = Random(seed)
    told = a_register(chance)
    valid(REGISTER, told)
    final = some(told, "read", final=True)
    read = pick(chance, final if violation in ("lost", "unread") else some(told, "read", final=False))
    written = [op for op in some(told, "write") if op.value[0] == read.value]
    if violation == "unread":
        told.ops.remove(read)
        assert REGISTER.check(told.history).value == UNKNOWN
        return
    if violation == "stale":
        before = [op.value[1] for op in written if op.ended < read.began]
        older = [None, *(op.value[1] for op in written if before and op.value[1] < max(before))]
        if not before:
            return
        alter(told, read, result=chance.choice(older))
    elif violation == "backwards":
        # What one read gave, another one that began later does not have any more.
        others = [op for op in some(told, "read") if op.value == read.value and op.ended < read.began and op.result]
        if not others:
            return
        lower = [op.value[1] for op in written if op.value[1] < max(op.result for op in others)]
        alter(told, read, result=chance.choice([None, *lower]))
    elif violation == "lost":
        last = max(op.value[1] for op in written)
        alter(told, read, result=chance.choice([None, *(op.value[1] for op in written if op.value[1] < last)]))
    else:
        strangers = {
            "stranger": [4711],
            "failed": [op.value[1] for op in some(told, "write", FAIL) if op.value[0] == read.value],
            "early": [op.value[1] for op in written if op.began > read.ended],
        }[violation]
        if not strangers:
            return
        alter(told, read, result=chance.choice(strangers))
    invalid(REGISTER, told)


# -- tokens ----------------------------------------------------------------------------------------------

TOKENS = TokenChecker(LOAD, lag=0.5)


def tokens(chance: Random) -> Told:
    model, issued, revoked = Model(chance), set(), {}
    known: list[int] = []

    def issue(n: int) -> tuple[str, Any]:
        issued.add(n)
        return OK, None

    def revoke(n: int, now: list[float]) -> tuple[str, Any]:
        if n not in issued:
            return FAIL, None
        revoked[n] = min(now[0], revoked.get(n, now[0]))
        return OK, None

    def validate(n: int, now: list[float]) -> tuple[str, Any]:
        if n not in issued or now[0] > revoked.get(n, 1e9) + 0.4:
            return OK, "gone"
        return OK, "gone" if n in revoked and chance.random() < 0.5 else "valid"

    def when() -> list[float]:
        """The moment of the effect, which the model knows only when it happens."""
        return [0.0]

    for n in range(25):
        model.load("issue", n, lambda n=n: issue(n))
        known.append(n)
        for _ in range(3):
            now, which = when(), chance.choice(known)
            if chance.random() < 0.25:
                model.load("revoke", which, lambda w=which, now=now: revoke(w, now))
            else:
                model.load("validate", which, lambda w=which, now=now: validate(w, now), pure=True)
            stamp(model, now)
    told = model.happen()
    for n in sorted(issued):
        told.ok("validate", n, "gone" if n in revoked else "valid", final=True)
    return told


def stamp(model: Model, now: list[float]) -> None:
    """Have the last effect know when it happens."""
    if model._waiting and model._waiting[-1][1] == len(model.told.ops) - 1:
        now[0] = model._waiting[-1][0]


@FEW
@given(SEEDS, st.sampled_from(["lost", "stale", "stranger", "early"]))
def test_tokens(seed: int, violation: str) -> None:
    chance = Random(seed)
    told = tokens(chance)
    valid(TOKENS, told)
    tried = {op.value for op in told.ops if op.f == "revoke" and op.outcome != FAIL}
    if violation == "lost":
        issues = {op.value: op for op in some(told, "issue")}
        good = [
            op
            for op in some(told, "validate")
            if op.value not in tried and op.value in issues and issues[op.value].ended < op.began
        ]
        alter(told, pick(chance, good), result="gone")
    elif violation == "stale":
        dead = {op.value for op in some(told, "revoke")}
        late = [op for op in some(told, "validate", final=True) if op.value in dead]
        if not late:
            return
        alter(told, pick(chance, late), result="valid")
    else:
        n = 4711 if violation == "stranger" else pick(chance, some(told, "issue")).value
        told.ok("validate", n, "valid", at=0.0)
    invalid(TOKENS, told)


# -- catalogues ------------------------------------------------------------------------------------------

CATALOGUE = CatalogueChecker(LOAD)


def a_catalogue(chance: Random) -> Told:
    model, there = Model(chance), set()

    def delete(name: str) -> tuple[str, Any]:
        if name not in there:
            return FAIL, None
        there.remove(name)
        return OK, None

    def create(name: str) -> tuple[str, Any]:
        there.add(name)
        return OK, None

    for n in range(40):
        model.load("create-keypair", f"k{n}", lambda n=n: create(f"k{n}"))
        model.load("list-keypairs", None, lambda: (OK, sorted(there)), pure=True)
        if chance.random() < 0.7:
            name = f"k{chance.randrange(max(1, n - 3))}"
            model.load("delete-keypair", name, lambda name=name: delete(name))
    told = model.happen()
    for node in NODES:
        told.ok("list-keypairs", None, sorted(there), node=node, final=True)
    return told


@FEW
@given(SEEDS, st.sampled_from(["lost", "resurrected", "stranger", "failed", "early", "twice", "unread"]))
def test_catalogue(seed: int, violation: str) -> None:
    chance = Random(seed)
    told = a_catalogue(chance)
    valid(CATALOGUE, told)
    created = {op.value: op for op in some(told, "create-keypair")}
    tried = {op.value for op in told.ops if op.f == "delete-keypair" and op.outcome != FAIL}
    listed = pick(chance, some(told, "list-keypairs", final=True if violation == "lost" else None))
    if violation == "unread":
        kept = [op for op in created.values() if op.value not in tried]
        last = max(op.ended for op in [*kept, *some(told, "delete-keypair")])
        told.ops = [op for op in told.ops if op.f != "list-keypairs" or op.began <= last]
        assert CATALOGUE.check(told.history).value == UNKNOWN
        return
    if violation == "lost":
        name = chance.choice([name for name in listed.result if name in created and name not in tried])
        alter(told, listed, result=[other for other in listed.result if other != name])
    else:
        candidates = {
            "resurrected": [op.value for op in some(told, "delete-keypair") if op.ended < listed.began],
            "stranger": ["k4711"],
            "failed": [op.value for op in some(told, "create-keypair", FAIL)],
            "early": [name for name, op in created.items() if op.began > listed.ended],
            "twice": listed.result,
        }[violation]
        if not candidates:
            return
        alter(told, listed, result=[*listed.result, chance.choice(candidates)])
    invalid(CATALOGUE, told)


# -- time ------------------------------------------------------------------------------------------------


@FEW
@given(SEEDS)
def test_availability_counts_what_failed(seed: int) -> None:
    chance = Random(seed)
    model = Model(chance)
    for n in range(100):
        model.load("get", n, lambda: (OK, None))
    told = model.happen()
    (fault,) = (mark for mark in told.marks if mark.name == FAULT)
    failed = [op for op in told.ops if op.outcome != OK and op.ended >= fault.t]
    strict = Availability(LOAD, max_failed=len(failed))
    figures = strict.check(told.history).figures
    valid(strict, told)
    assert figures["failed"] == len(failed)
    first, last = min(op.began for op in failed), max(op.ended for op in failed)
    assert abs(figures["downtime (s)"] - (last - first)) < 0.001
    assert sum(figures[f"ok {phase}"] for phase in ("before", "during", "after")) == len(told.ops) - len(failed)
    alter(told, pick(chance, [op for op in told.ops if op.outcome == OK and op.began > fault.t]), outcome=FAIL)
    invalid(strict, told)


@given(st.integers(0, 5), st.sampled_from([INVALID, UNKNOWN]))
def test_recovery_and_audits_are_as_bad_as_what_they_found(place: int, value: str) -> None:
    told = Told().fault().mark(RECOVERED)
    for n in range(6):
        told.mark(AUDIT, name=f"audit {n}", value=value if n == place else VALID, seen="it")
    assert Audits().check(told.history).value == value
    valid(Recovery(), told)
    told.marks = [mark for mark in told.marks if mark.name != RECOVERED]
    assert Recovery().check(told.history).value == UNKNOWN
