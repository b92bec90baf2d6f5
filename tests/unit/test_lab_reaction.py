"""How soon a failure is acted on: figures, tables, and a measurement that is void."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quorate.lab import actions, markdown, reaction, sentinels
from quorate.lab.actions import Acts
from quorate.lab.events import Event
from quorate.lab.faults.process import Processes, Strike
from quorate.lab.reaction import Column, Reaction, Settings, Target
from quorate.lab.services import SERVICES, Service
from quorate.lib.problem import Failed, Problem

SEEN = (
    Reaction("keystone", "n1", 0.03, 0.09, 3.5),
    Reaction("keystone", "n2", 0.04, 0.11, 3.1),
    Reaction("keystone", "n3", None, 6.5, 9.9),
    Reaction("galera", "n1", 0.02, 0.08, 12.0),
)


def test_a_line_for_each_service() -> None:
    keystone, galera = reaction.summarize(SEEN)
    assert (keystone.service, keystone.n, keystone.told) == ("keystone", 3, 2)
    assert (keystone.median, keystone.worst, keystone.healthy, keystone.healthy_worst) == (0.11, 6.5, 3.5, 9.9)
    assert (galera.n, galera.median, galera.worst) == (1, 0.08, 0.08)
    assert reaction.summarize([]) == []


def test_the_tables_have_as_many_cells_as_headings() -> None:
    cells = reaction.rows(reaction.summarize(SEEN))
    assert cells[0] == ["keystone", "3", "2", "0.110", "6.500", "3.50", "9.90"]
    assert all(len(line) == len(reaction.HEADINGS) for line in cells)


def test_measurements_side_by_side_keep_a_service_that_one_of_them_lacks() -> None:
    columns = [Column("sentinel", "KILL", SEEN), Column("polling", "KILL", SEEN[:1])]
    headings, cells = reaction.side_by_side(columns)
    assert headings[:3] == [
        "service",
        "sentinel: recovery begins (median / worst s)",
        "polling: recovery begins (median / worst s)",
    ]
    assert cells == [
        ["keystone", "0.110 / 6.500", "0.090 / 0.090", "3.50 / 9.90", "3.50 / 3.50"],
        ["galera", "0.080 / 0.080", "-", "12.00 / 12.00", "-"],
    ]
    assert all(len(line) == len(headings) for line in cells)


def test_markdown() -> None:
    text = markdown.table(["a", "b"], [["x | y", "1"], ["two\nlines", "2"]])
    assert text == "| a | b |\n| --- | ---: |\n| x \\| y | 1 |\n| two lines | 2 |\n"


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    column = Column("sentinel", "KILL", SEEN)
    reaction.save(tmp_path / "out" / "one.json", column)
    assert reaction.load(tmp_path / "out" / "one.json") == column


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"label": "a", "signal": "KILL", "reactions": [{"x": 1}]}'])
def test_what_is_no_measurement_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "one.json"
    path.write_text(text)
    with pytest.raises(Problem, match=r"one\.json: not a saved measurement"):
        reaction.load(path)
    with pytest.raises(Problem, match="cannot be read"):
        reaction.load(tmp_path / "none.json")


# -- one death -------------------------------------------------------------------------------------------------------


def test_healthy_is_when_it_is_started_and_answers() -> None:
    seen = Acts(100.02, 100.07, 103.0)
    assert reaction.reckon("keystone", "n1", seen, 100.0, 102.5) == Reaction("keystone", "n1", 0.02, 0.07, 3.0)
    assert reaction.reckon("keystone", "n1", seen, 100.0, 103.25).healthy == 3.25
    assert reaction.reckon("haproxy", "n1", seen, 100.0, None).healthy == 3.0


def test_who_acts_before_the_last_process_is_seen_gone_took_no_time() -> None:
    assert reaction.reckon("galera", "n1", Acts(99.9, 99.95, 104.0), 100.0, 104.0) == Reaction(
        "galera", "n1", 0.0, 0.0, 4.0
    )


def test_who_is_told_after_the_recovery_began_did_not_begin_it() -> None:
    assert reaction.reckon("galera", "n1", Acts(101.0, 100.5, 104.0), 100.0, 104.0).told is None


def test_deaths_are_spaced_so_that_they_are_no_crash_loop() -> None:
    assert reaction.rest([], 1000.0) == 0.0
    assert reaction.rest([900.0, 990.0], 1000.0) == 0.0
    assert reaction.rest([500.0, 900.0, 950.0, 990.0], 1000.0) == pytest.approx(900.0 + reaction.WINDOW - 1000.0)
    assert reaction.rest([0.0, 1.0, 2.0], 1000.0) == 0.0


class Double:
    """A lab in which one service dies: its log says what *events* hold up to now, its door opens at *port*."""

    nodes = ("n1", "n2", "n3")

    def __init__(self) -> None:
        self.cleaned = 0

    def clones(self) -> dict[str, int]:
        return {**{service.clone: 0 for service in SERVICES}, "haproxy-clone": 0}

    def address(self, node: str) -> str:
        return "127.0.0.1"

    def missing(self) -> tuple[str, ...]:
        return ()

    def cleanup(self) -> None:
        self.cleaned += 1


@pytest.fixture
def door() -> Iterator[Service]:
    """A service that says a byte to whoever comes."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                link, _ = listener.accept()
            except TimeoutError:
                continue
            with link:
                link.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    yield Service("keystone", ("uwsgi",), "keystone", listener.getsockname()[1], b"")
    ended.set()
    thread.join()
    listener.close()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the nodes would say: *events* of the log; and what was done to the processes."""
    said: dict[str, Any] = {"events": [], "done": [], "watching": []}

    def strike(processes: Processes, lab: Any, node: str, signal: str, *, again: float) -> Strike:
        said["done"].append(signal)
        said["sent"] = time.time()
        for event in said["plan"]:
            said["events"].append(replace(event, wall=said["sent"] + event.wall, node=node))
        return Strike(((7, 7),), said["sent"], said["sent"] + 0.05)

    monkeypatch.setattr(Processes, "strike", strike)
    monkeypatch.setattr(Processes, "let_go", lambda processes, lab, node: said["done"].append("CONT"))
    monkeypatch.setattr(actions, "note", lambda lab, node: {})
    monkeypatch.setattr(actions, "since", lambda lab, node, noted, wall: list(said["events"]))
    monkeypatch.setattr(reaction, "_LOOK", 0.01)
    monkeypatch.setattr(reaction.whole, "wait_whole", lambda lab: None)
    monkeypatch.setattr(sentinels, "await_watching", lambda lab, nodes, names, patience: said["watching"].append(nodes))
    return said


RECOVERED = (
    Event(0.03, "failed", "", "asyncmon of keystone: error (Simulated failure)"),
    Event(0.12, "stop", "", "stop of keystone"),
    Event(0.30, "start", "", "start of keystone"),
    Event(0.90, "started", "", "keystone"),
)


def test_a_death_is_followed_to_its_end(scene: dict[str, Any], door: Service) -> None:
    scene["plan"] = RECOVERED
    target = Target("keystone", "keystone", ("uwsgi",), door)
    seen = reaction.react(Double(), target, "n2")  # type: ignore[arg-type]
    assert (seen.service, seen.node) == ("keystone", "n2")
    assert (seen.told, seen.begun) == (pytest.approx(0.0), pytest.approx(0.07, abs=0.002))
    assert 0.84 <= seen.healthy < 5
    assert scene["done"] == ["KILL"]


def test_a_stopped_service_counts_from_the_signal_and_is_let_go(scene: dict[str, Any], door: Service) -> None:
    scene["plan"] = RECOVERED
    target = Target("keystone", "keystone", ("uwsgi",), door)
    seen = reaction.react(Double(), target, "n1", stop=True)  # type: ignore[arg-type]
    assert seen.begun == pytest.approx(0.12, abs=0.002)
    assert scene["done"] == ["STOP", "CONT"]


def test_a_death_that_nobody_notices_is_void(
    scene: dict[str, Any], door: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene["plan"] = (Event(0.03, "stop", "", "stop of galera"),)
    monkeypatch.setattr(reaction, "NOTICED", 0.1)
    target = Target("keystone", "keystone", ("uwsgi",), door)
    with pytest.raises(Failed, match=r"keystone on n3: Pacemaker did nothing about SIGKILL .* void"):
        reaction.react(Double(), target, "n3")  # type: ignore[arg-type]


def test_a_service_that_does_not_answer_is_not_healthy(
    scene: dict[str, Any], door: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene["plan"] = RECOVERED
    monkeypatch.setattr(reaction, "RECOVERED", 0.1)
    # Nobody listens at the port of an address that is not the door's.
    monkeypatch.setattr(Double, "address", lambda lab, node: "127.0.0.99")
    target = Target("keystone", "keystone", ("uwsgi",), door)
    with pytest.raises(Failed, match=r"keystone on n1: not healthy .* it does not answer"):
        reaction.react(Double(), target, "n1")  # type: ignore[arg-type]


def test_services_die_in_turn_on_nodes_in_turn(scene: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[tuple[str, str]] = []

    def react(lab: Any, target: Target, node: str, *, stop: bool) -> Reaction:
        died.append((target.name, node))
        return Reaction(target.name, node, None, 1.0, 2.0)

    monkeypatch.setattr(reaction, "react", react)
    lab = Double()
    reaction.measure(lab, Settings(2, services=("keystone", "galera"), spread=0.0))  # type: ignore[arg-type]
    assert died == [("keystone", "n1"), ("galera", "n2"), ("keystone", "n2"), ("galera", "n3")]
    assert lab.cleaned == 4
    assert scene["watching"] == [], "there is no sentinel in this lab"
    monkeypatch.setattr(Double, "clones", lambda lab: {"keystone-clone": 0, "sentinel-clone": 0})
    reaction.measure(lab, Settings(1, spread=0.0))  # type: ignore[arg-type]
    assert scene["watching"] == [["n1"]]


def test_what_the_lab_does_not_have_is_refused() -> None:
    lab: Any = Double()
    assert [target.name for target in reaction.chosen(lab, ())] == [service.name for service in SERVICES]
    assert [target.name for target in reaction.chosen(lab, ("haproxy", "haproxy"))] == ["haproxy"]
    with pytest.raises(Problem, match="no 'heat' that could be killed"):
        reaction.chosen(lab, ("heat",))
