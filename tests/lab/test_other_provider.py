"""The same services by other providers' agents, in a lab of their own: up, provisioned, broken, judged like ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.lab import apt, bringup, engine, layout, paths, run, scenarios, whole
from quorate.lab.checker import INVALID, UNKNOWN
from quorate.lab.cluster import Lab, open_lab
from quorate.lab.services import SERVICES

pytestmark = pytest.mark.skipif(
    not os.environ.get("QUORATE_CHAOS"), reason="a second lab takes minutes: `make test-long` runs it (QUORATE_CHAOS=1)"
)

NAME = "rival"
SUBNET = "172.30.80.0/24"
TOPOLOGY = paths.LAB / "topologies" / "heartbeat.yaml"


@pytest.fixture(scope="module")
def rival() -> Iterator[Lab]:
    """The lab of the other agents; removed again."""
    opened = open_lab(NAME, engine.connect(), TOPOLOGY, SUBNET)
    try:
        bringup.up(opened, apt.DEFAULT_RELEASE, layout.topology_text(TOPOLOGY, SUBNET))
        yield opened
    finally:
        bringup.down(NAME, opened.client)


@pytest.mark.timeout(1200)
def test_none_of_our_agents_runs_there(rival: Lab) -> None:
    assert 'provider="quorate"' not in rival.cib()
    assert {service.clone for service in SERVICES} < set(rival.clones())
    assert whole.wanting(rival) == ()
    promoted = {each.node for each in rival.health().instances if each.resource == "galera" and each.role == "Promoted"}
    assert promoted == set(rival.nodes)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [f"kill-{service.name}" for service in SERVICES])
def test_a_killed_service_is_judged_like_ours(rival: Lab, tmp_path: Path, name: str) -> None:
    """Whatever the verdict is about those agents, it is one about them: the run itself is sound."""
    outcome = run.run(scenarios.find(name), rival, tmp_path / name, seed=1)
    assert outcome.trouble == ""
    assert {verdict.checker: verdict.words for verdict in outcome.verdicts if verdict.value == UNKNOWN} == {}
    assert "recovery" not in {verdict.checker for verdict in outcome.verdicts if verdict.value == INVALID}
