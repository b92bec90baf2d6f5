"""The workloads without a cluster: what they ask for, and that no server holds a client beyond its deadline."""

from __future__ import annotations

import ast
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quorate.lab import provision, workloads
from quorate.lab.history import FAIL, INFO, OK, HistoryLog, Op, read_history
from quorate.lab.recorder import Recorder
from quorate.lab.remote import ExecResult
from quorate.lab.scenario import ALL_WORKLOADS
from quorate.lab.services import SERVICES
from quorate.lab.workload import Call, Interruptible, Pace, Place, Refused, Workload
from quorate.lab.workloads import amqp, dashboard, identity, keystone, nova_api, sql
from quorate.lab.workloads.keystone import Keystone
from quorate.lab.workloads.nova_api import NovaApi
from quorate.lab.workloads.queue import queue_quorum
from quorate.lab.workloads.sql_register import SqlRegister
from quorate.lib.problem import Problem

NAMES = [kind().name for kind in workloads.WORKLOADS]


def completed(index: int, call: Call, outcome: str = OK, node: str = "n1", result: Any = None) -> Op:
    return Op(index, "w", 1, call.f, call.value, index, index + 0.5, outcome, node, result)


# -- the list ------------------------------------------------------------------------------------------------


def test_every_workload_is_called_by_its_name_and_is_new_each_time() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set(ALL_WORKLOADS) <= set(NAMES)
    for name in NAMES:
        load = workloads.make(name)
        assert load.name == name
        assert load is not workloads.make(name)
        assert load.about
        assert load.service in {service.name for service in SERVICES}
        assert 0 < load.pace.deadline <= 10
        assert isinstance(load.open(), Interruptible)


def test_a_workload_that_does_not_exist() -> None:
    with pytest.raises(Problem, match="there is no workload 'x': known are keystone, "):
        workloads.make("x")


# -- what they ask for ---------------------------------------------------------------------------------------


def test_a_register_has_one_writer_at_a_time_and_its_numbers_grow() -> None:
    load, running, last = SqlRegister(), {}, dict.fromkeys(range(99), 0)
    for index, call in enumerate(itertools.islice(load.ops(), 3000)):
        if call.f != "write":
            continue
        key, number = call.value
        assert key not in running
        assert number == last[key] + 1
        last[key] = number
        running[key] = call
        if len(running) == 9:
            done = next(iter(running))
            load.ended(completed(index, running.pop(done), (OK, FAIL, INFO)[index % 3]))


def test_registers_are_all_written_and_reads_never_stop() -> None:
    """Every key is being written and nobody answers: what is left to ask for is reads."""
    calls = list(itertools.islice(SqlRegister().ops(), 100))
    assert len({call.value[0] for call in calls if call.f == "write"}) == 12
    assert {call.f for call in calls[-20:]} == {"read"}


def test_only_acknowledged_objects_are_deleted_each_once() -> None:
    load, created, deleted = NovaApi(), set(), []
    for index, call in enumerate(itertools.islice(load.ops(), 600)):
        if call.f.startswith("create"):
            outcome = (OK, OK, INFO, FAIL)[index % 4]
            created |= {call.value} if outcome == OK else set()
            load.ended(completed(index, call, outcome))
        elif call.f.startswith("delete"):
            deleted.append(call.value)
    assert deleted
    assert len(set(deleted)) == len(deleted)
    assert set(deleted) <= created
    assert 10 < len(created) - len(deleted) <= 2 * 9


def test_tokens_are_validated_elsewhere_and_revoked_once() -> None:
    load = Keystone()
    load._nodes = ("n1", "n2", "n3")
    issued: set[int] = set()
    revoked: list[int] = []
    for index, call in enumerate(itertools.islice(load.ops(), 300)):
        if call.f == "issue":
            outcome = FAIL if index % 5 == 0 else OK
            issued |= {call.value} if outcome == OK else set()
            load.ended(completed(index, call, outcome, "n2"))
            continue
        assert call.value in issued
        assert call.node in ("n1", "n3")
        if call.f == "revoke":
            revoked.append(call.value)
            load.ended(completed(index, call))
    assert revoked
    assert len(set(revoked)) == len(revoked)
    assert len(issued) - len(revoked) >= 4
    assert {call.value for call in load.final()} == issued


def test_a_queue_is_drained_until_it_was_empty_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    answers = [[1, 2], [], [3], [], []]

    def drain(final: Generator[Call, Op, None]) -> Iterator[list[int]]:
        call = next(final)
        for answer in answers:
            yield answer
            try:
                call = final.send(completed(1, call, result=answer))
            except StopIteration:
                return

    assert list(drain(queue_quorum().final())) == answers


# -- servers that hold their clients -------------------------------------------------------------------------

STARTS = {
    # The beginning of an answer that is long.
    "http": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "mysql": b"\xff\xff\x00\x00\x0a",
    "amqp": b"\x01\x00\x00\x00\xff\xff\xff",
}


@contextmanager
def server(start: bytes, drip: bool) -> Iterator[int]:
    """Accepts everybody and never answers in full: not a word, or a byte now and then for ever. Yields its port."""
    over = threading.Event()

    def serve(link: socket.socket) -> None:
        with link:
            try:
                link.sendall(start if drip else b"")
                while not over.wait(0.1):
                    link.sendall(b"x" if drip else b"")
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def accept() -> None:
            while not over.is_set():
                try:
                    link, _ = listener.accept()
                except TimeoutError:
                    continue
                threading.Thread(target=serve, args=(link,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


def prepared(name: str, port: int, monkeypatch: pytest.MonkeyPatch) -> Workload:
    """The workload as if it had been prepared, its service at *port*."""
    for module in (amqp, dashboard, identity, keystone, nova_api, sql):
        monkeypatch.setattr(module, "PORT", port)
    load = workloads.make(name)
    if isinstance(load, Keystone | SqlRegister):
        load._nodes = ("here",)
    return load


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "dripping"])
@pytest.mark.parametrize("name", NAMES)
def test_no_server_holds_an_operation_beyond_its_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, drip: bool
) -> None:
    """And no thread is left behind, nor a connection."""
    load = workloads.make(name)
    kind = {"rabbitmq": "amqp", "galera": "mysql"}.get(load.service, "http")
    with server(STARTS[kind], drip) as port:
        load = prepared(name, port, monkeypatch)
        with HistoryLog(tmp_path / "history.jsonl", {}) as log:
            recorder = Recorder(log, load, [Place("here", "127.0.0.1")], Pace(rate=20, workers=2, deadline=0.3))
            recorder.start()
            time.sleep(0.5)
            recorder.stop()
        ops = read_history(tmp_path / "history.jsonl").ops
        assert len(ops) >= 2
        assert not [op for op in ops if op.outcome == OK]
        assert max(op.seconds for op in ops) < 0.3 + 2.0
        until = time.monotonic() + 5
        while (left := clients(name)) and time.monotonic() < until:
            time.sleep(0.05)
        assert left == []


def test_a_connection_to_the_database_builds_no_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(ssl, "create_default_context", lambda *given, **named: made.append(named))
    with server(STARTS["mysql"], drip=False) as port:
        monkeypatch.setattr(sql, "PORT", port)
        with pytest.raises(Refused):
            sql.Links("chaos", "secret").get(Place("here", "127.0.0.1"), 0.2)
    assert made == []


def test_nor_does_the_wait_for_the_database_on_a_node() -> None:
    asked: list[str] = []

    class Fake:
        def exec(self, node: str, argv: list[str], *, stdin: str, timeout: float, check: bool) -> ExecResult:
            asked.append(stdin)
            return ExecResult(0, "", "")

    provision._await_database(Fake(), "n1")  # type: ignore[arg-type]
    (script,) = asked
    (call,) = (
        node for node in ast.walk(ast.parse(script)) if getattr(getattr(node, "func", 0), "attr", "") == "connect"
    )
    assert isinstance(call, ast.Call)
    assert {key.arg: ast.unparse(key.value) for key in call.keywords}["ssl_disabled"] == "True"


def clients(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(f"{name}-")]
