"""What Pacemaker's own scheduler would do with the generated CIB, offline."""

from __future__ import annotations

from pathlib import Path

import pytest
from topologies import LAB, SERVICES, Simulation, actions, started

from quorate.agents.registry import BY_NAME
from quorate.cib.build import build
from quorate.cib.reader import parse_topology
from quorate.cib.render_xml import render_cib

KINDS = ("optional", "mandatory")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def running(tmp_path: Path, kind: str) -> Simulation:
    """Three nodes with every instance started."""
    simulation = Simulation(tmp_path, render_cib(build(parse_topology(f"{LAB}ordering: {kind}\n"))))
    simulation.start_all()
    return simulation


def test_cold_start_respects_the_order(tmp_path: Path, kind: str) -> None:
    simulation = Simulation(tmp_path, render_cib(build(parse_topology(f"{LAB}ordering: {kind}\n"))))
    output = simulation.run("--quorum=true", "-u", "n1", "-u", "n2", "-u", "n3")
    lines = output.splitlines()

    def starts(service: str) -> list[int]:
        return [number for number, line in enumerate(lines) if f" {service}" in line and " start on " in line]

    for first, then in (
        ("galera", "keystone"),
        ("rabbitmq", "keystone"),
        ("keystone", "nova-api"),
        ("nova-api", "dashboard"),
    ):
        assert len(starts(first)) == len(starts(then)) == 3
        assert max(starts(first)) < min(starts(then))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("interval", ["shallow", "deep"])
def test_a_failed_instance_restarts_nothing_on_another_node(
    running: Simulation, kind: str, service: str, interval: str
) -> None:
    monitors = [action for action in BY_NAME[service].actions if action.name == "monitor"]
    chosen = monitors[0] if interval == "shallow" else monitors[-1]
    output = running.run("-i", f"{service}_monitor_{(chosen.interval or 0) * 1000}@n1=7")
    done = actions(output)
    assert {(service, "stop", "n1"), (service, "start", "n1")} <= done
    assert {node for _, _, node in done} == {"n1"}
    if kind == "optional":
        assert {resource for resource, _, _ in done} == {service}
    for name in SERVICES:
        assert started(output, name) == {"n1", "n2", "n3"}


def test_mandatory_takes_the_dependents_of_the_same_node_along(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, render_cib(build(parse_topology(LAB + "ordering: mandatory\n"))))
    simulation.start_all()
    done = actions(simulation.run("-i", "galera_monitor_10000@n1=7"))
    assert ("keystone", "stop", "n1") in done


def test_two_failures_on_two_nodes_stay_apart(running: Simulation) -> None:
    done = actions(running.run("-i", "galera_monitor_10000@n1=7", "-i", "keystone_monitor_10000@n2=7"))
    assert {node for resource, _, node in done if resource == "galera"} == {"n1"}
    assert "n3" not in {node for _, _, node in done}


@pytest.mark.parametrize("lost", ["n1", "n2", "n3"])
def test_a_lost_node_is_fenced_and_survivors_are_left_alone(running: Simulation, lost: str) -> None:
    output = running.run(f"--node-fail={lost}")
    assert f"Fencing {lost} (reboot)" in output
    survivors = {"n1", "n2", "n3"} - {lost}
    # The fencing device may have to move; services may not.
    assert {action for action in actions(output) if action[0] in SERVICES} == set()
    for name in SERVICES:
        assert started(output, name) == survivors
    back = running.run(f"--node-up={lost}")
    assert {node for resource, _, node in actions(back) if resource in SERVICES} == {lost}
    for name in SERVICES:
        assert started(back, name) == {"n1", "n2", "n3"}


def test_without_interleave_a_failure_would_spread(tmp_path: Path) -> None:
    # The check of the check: it is interleave that keeps a mandatory order on its own node.
    cib = render_cib(build(parse_topology(LAB + "ordering: mandatory\n")))
    simulation = Simulation(tmp_path, cib.replace('name="interleave" value="true"', 'name="interleave" value="false"'))
    simulation.start_all()
    done = actions(simulation.run("-i", "galera_monitor_10000@n1=7"))
    assert {node for _, _, node in done} == {"n1", "n2", "n3"}
