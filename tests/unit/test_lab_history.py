"""The history on disk: written by many threads, read back whole, and read back when its writer died."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from histories import LOAD, NODES, Told
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quorate.lab.checker import VALID
from quorate.lab.checkers.sets import SetChecker
from quorate.lab.history import AUDIT, FAULT, INFO, OK, HistoryLog, read_history
from quorate.lib.problem import Problem


def complete() -> Told:
    told = Told().warm().ok("insert", 1).info("insert", 2, error="reset").fault()
    for node in NODES:
        told.ok("read", [0, 10], [1], node=node, final=True)
    return told


def test_what_was_told_is_read(tmp_path: Path) -> None:
    told = complete()
    history = read_history(told.write(tmp_path / "h"))
    assert history.ops == told.history.ops
    assert history.marks == told.history.marks
    assert history.header["nodes"] == list(NODES)
    assert history.workloads == (LOAD,)
    assert history.end == told.ops[-1].ended


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "h"
    with HistoryLog(path, {"workloads": ["a"], "nodes": ["n1"]}) as log:
        one = log.invoke("a", 1, "put", [1, "ü"])
        two = log.invoke("b", 2, "get", None, final=True)
        log.complete(two, OK, "n1", result={"x": 1})
        at = log.mark(FAULT, fault="kill", name="a detail of that name")
        log.complete(one, INFO, error="reset")
        log.mark(AUDIT, at=0.0, seen="early")
    history = read_history(path)
    first, second = history.ops
    assert (first.workload, first.worker, first.f, first.value, first.outcome, first.error) == (
        "a",
        1,
        "put",
        [1, "ü"],
        INFO,
        "reset",
    )
    assert (second.node, second.result, second.final, first.final) == ("n1", {"x": 1}, True, False)
    assert first.began <= second.began <= second.ended <= first.ended
    assert [mark.name for mark in history.marks] == [AUDIT, FAULT]
    fault = history.mark(FAULT)
    assert fault is not None
    assert fault.t == pytest.approx(at, abs=1e-6)
    assert fault.wall == pytest.approx(time.time(), abs=60)
    assert fault.detail == {"fault": "kill", "name": "a detail of that name"}
    assert history.of("b") == (second,)
    assert history.of("c") == ()
    assert history.workloads == ("a", "b")
    assert history.mark("never") is None


def test_a_time_of_the_wall_clock_finds_its_place(tmp_path: Path) -> None:
    with HistoryLog(tmp_path / "h", {}) as log:
        before = log.now()
        found = log.at_wall(time.time() - 100)
        assert before - 100 - 0.05 <= found <= log.now() - 100 + 0.05


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    with HistoryLog(tmp_path / "h", {}) as log:

        def work(worker: int) -> None:
            for n in range(200):
                log.complete(log.invoke("a", worker, "put", n), OK, "n1")

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    history = read_history(tmp_path / "h")
    assert len(history.ops) == 1600
    assert {op.index for op in history.ops} == set(range(1, 1601))


def test_what_comes_after_the_end_is_not_heard(tmp_path: Path) -> None:
    log = HistoryLog(tmp_path / "h", {})
    index = log.invoke("a", 1, "put", 1)
    log.close()
    log.complete(index, OK)
    log.flush()
    (op,) = read_history(tmp_path / "h").ops
    assert op.outcome == INFO


def test_a_client_that_never_came_back(tmp_path: Path) -> None:
    told = complete()
    lines = list(told.lines())
    gone = next(line for line in lines if line["type"] == OK and line["i"] == told.ops[20].index)
    lines.remove(gone)
    path = tmp_path / "h"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    history = read_history(path)
    (op,) = [op for op in history.ops if op.index == gone["i"]]
    assert (op.outcome, op.ended, op.error) == (INFO, told.ops[-1].ended, "did not complete before the run ended")
    # An insert that nobody heard of again is there: neither lost nor unexpected.
    assert SetChecker(LOAD, "insert", "read").check(history).figures["recovered"] == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.integers(1, 3000))
def test_a_writer_that_died_leaves_what_it_wrote(tmp_path: Path, cut: int) -> None:
    whole = complete().write(tmp_path / "whole").read_bytes()
    cut = max(len(whole) - cut, whole.index(b"\n") + 1)
    path = tmp_path / "cut"
    path.write_bytes(whole[:cut])
    history = read_history(path)
    lines = whole[:cut].count(b"\n")
    assert len(history.marks) + sum(1 if op.error.startswith("did not") else 2 for op in history.ops) == lines - 1


def test_a_history_that_is_not_there_or_none(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be read"):
        read_history(tmp_path / "none")
    path = tmp_path / "h"
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(Problem, match="UTF-8"):
        read_history(path)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"type":"strange"}',
        '{"type":"ok","i":99,"t":1}',
        '{"type":"invoke","i":[],"t":1}',
        '{"type":"mark","name":"fault"}',
        '{"type":"invoke","i":7,"w":"a","p":1,"f":"x","v":1,"t":"late","wall":1}',
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "h"
    path.write_text('{"type":"run","wall":1}\n' + line + "\n")
    with pytest.raises(Problem, match=r"h:2: not"):
        read_history(path)


def test_an_empty_history_is_one(tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_text("")
    assert read_history(path).end == 0.0


def test_the_wall_clock_decides_nothing(tmp_path: Path) -> None:
    told = complete()
    steps = [dict(line, wall=1e9 - 3600 * n) if "wall" in line else line for n, line in enumerate(told.lines())]
    path = tmp_path / "h"
    path.write_text("".join(json.dumps(line) + "\n" for line in steps))
    history = read_history(path)
    assert [op.index for op in history.ops] == [op.index for op in told.ops]
    assert SetChecker(LOAD, "insert", "read").check(history).value == VALID
