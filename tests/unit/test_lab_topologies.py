"""The lab's own topologies: each can be read, moved to another subnet, and brought up in two steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from lxml import etree

from quorate.agents.sentinel import parse_watch
from quorate.cib.build import build
from quorate.cib.render_xml import render_cib
from quorate.cib.verify import verify
from quorate.lab import layout, paths
from quorate.lab.bringup import without
from quorate.lab.health import clones_of
from quorate.lab.provision import STATEFUL
from quorate.lab.services import SERVICES

WATCHED = paths.LAB / "topologies" / "sentinel.yaml"
TOPOLOGIES = (paths.DEFAULT_TOPOLOGY, paths.LAB / "topologies" / "heartbeat.yaml", WATCHED)


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


def test_the_watched_lab_is_the_default_one_with_a_sentinel() -> None:
    default, watched = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (TOPOLOGIES[0], WATCHED))
    sentinel = watched["services"].pop("sentinel")
    assert watched == default
    assert list(sentinel) == ["parameters"]
    assert set(clones_of(cib(WATCHED))) == {*clones_of(cib(TOPOLOGIES[0])), "sentinel-clone"}


def test_the_sentinel_watches_the_front_end_by_its_own_pid_file() -> None:
    root = etree.fromstring(cib(WATCHED).encode())
    told = root.xpath("string(.//primitive[@type='sentinel']//nvpair[@name='watch']/@value)")
    assert parse_watch(str(told)) == {
        str(primitive.get("id")): str(primitive.xpath("string(.//nvpair[@name='pidfile']/@value)"))
        for primitive in root.iterfind(".//clone/primitive[@provider='heartbeat']")
    }


def test_a_lab_without_some_services_keeps_its_sentinel() -> None:
    first = without(cib(WATCHED), [service.clone for service in SERVICES])
    assert set(clones_of(first)) == {"haproxy-clone", "sentinel-clone"}
