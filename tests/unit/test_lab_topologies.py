"""The lab's own topologies: each can be read, moved to another subnet, and brought up in two steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from quorate.cib.build import build
from quorate.cib.render_xml import render_cib
from quorate.cib.verify import verify
from quorate.lab import layout, paths
from quorate.lab.bringup import without
from quorate.lab.health import clones_of
from quorate.lab.provision import STATEFUL
from quorate.lab.services import SERVICES

TOPOLOGIES = (paths.DEFAULT_TOPOLOGY, paths.LAB / "topologies" / "heartbeat.yaml")


def cib(path: Path, subnet: str | None = None) -> str:
    return render_cib(build(layout.read_topology(path, subnet)))


@pytest.fixture(params=TOPOLOGIES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_each_has_every_service_under_the_id_that_faults_and_audits_know(path: Path) -> None:
    assert {service.clone for service in SERVICES} < set(clones_of(cib(path)))


def test_each_passes_pacemakers_own_check(path: Path) -> None:
    verify(cib(path), str(path))


def test_no_address_stays_behind_in_another_subnet(path: Path) -> None:
    moved = layout.topology_text(path, "10.9.8.0/24")
    assert "172.30.77." not in moved
    assert moved.count("10.9.8.") == layout.topology_text(path).count("172.30.77.")


def test_the_stateful_services_come_first_alone(path: Path) -> None:
    whole = cib(path)
    later = [service.clone for service in SERVICES if service.name not in STATEFUL]
    first = without(whole, later)
    verify(first, "the first step")
    assert set(clones_of(first)) == set(clones_of(whole)) - set(later)
    named = {value for element in etree.fromstring(first.encode()).iter("rsc_order") for value in element.values()}
    assert not named & set(later)


def test_the_others_database_is_promotable_everywhere() -> None:
    assert clones_of(cib(TOPOLOGIES[1]))["galera-clone"] == 3
    assert not any(clones_of(cib(TOPOLOGIES[0])).values())
