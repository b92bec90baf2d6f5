"""The generated CIB goes into a real, empty cluster by crmsh, in both forms, and the cluster then holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from quorate.cib.build import build
from quorate.cib.compare import difference
from quorate.cib.render_crm import render_crm
from quorate.cib.render_xml import render_cib
from quorate.cib.topology import Topology
from quorate.lab import apt, bringup, engine, layout, paths
from quorate.lab.cluster import Lab, open_lab
from quorate.lab.config import File

NAME = "loading"
SUBNET = "172.30.79.0/24"


@pytest.fixture(scope="module")
def empty_lab() -> Iterator[Lab]:
    """Three nodes with an empty CIB; removed again."""
    opened = open_lab(NAME, engine.connect(), paths.DEFAULT_TOPOLOGY, SUBNET)
    try:
        bringup.up(opened, apt.DEFAULT_RELEASE, layout.topology_text(paths.DEFAULT_TOPOLOGY, SUBNET), bare=True)
        yield opened
    finally:
        bringup.down(NAME, opened.client)


@pytest.fixture
def topology(empty_lab: Lab) -> Topology:
    """The lab's own topology, whole, in maintenance mode: nothing must start here."""
    topology = empty_lab.topology
    return replace(topology, options=tuple(sorted({**dict(topology.options), "maintenance-mode": "true"}.items())))


@pytest.fixture
def lab(empty_lab: Lab) -> Iterator[Lab]:
    """An empty CIB for each test."""
    yield empty_lab
    empty_lab.exec("n1", ["crm", "configure", "property", "maintenance-mode=true"])
    empty_lab.exec("n1", ["crm", "-F", "configure", "erase"], timeout=60)


def put(lab: Lab, text: str) -> str:
    path = "/var/lib/pacemaker/generated"
    lab.put("n1", [File(path, text.encode(), "hacluster", "haclient", 0o600)])
    return path


def held(lab: Lab) -> str:
    return lab.exec("n1", ["cibadmin", "--query"]).out


def test_as_xml(lab: Lab, topology: Topology) -> None:
    generated = render_cib(build(topology))
    result = lab.exec("n1", ["crm", "configure", "load", "xml", "replace", put(lab, generated)], timeout=60)
    assert "rror" not in result.out + result.err
    assert difference(generated, held(lab)) == ""
    checked = lab.exec("n2", ["crm_verify", "--live-check", "-V"], check=False)
    assert (checked.rc, checked.out, checked.err) == (0, "", "")


def test_as_text(lab: Lab, topology: Topology) -> None:
    cib = build(topology)
    result = lab.exec("n1", ["crm", "configure", "load", "update", put(lab, render_crm(cib))], timeout=60)
    assert "rror" not in result.out + result.err
    assert difference(render_cib(cib), held(lab)) == ""
    checked = lab.exec("n2", ["crm_verify", "--live-check", "-V"], check=False)
    assert (checked.rc, checked.out, checked.err) == (0, "", "")


def test_what_crmsh_shows_can_be_loaded_again(lab: Lab, topology: Topology) -> None:
    generated = render_cib(build(topology))
    lab.exec("n1", ["crm", "configure", "load", "xml", "replace", put(lab, generated)], timeout=60)
    shown = lab.exec("n1", ["crm", "configure", "show"]).out
    lab.exec("n1", ["crm", "-F", "configure", "erase"], timeout=60)
    lab.exec("n1", ["crm", "configure", "load", "update", put(lab, shown)], timeout=60)
    assert difference(generated, held(lab)) == ""
    assert lab.exec("n1", ["crm", "configure", "show"]).out == shown


def test_a_bad_file_changes_nothing(lab: Lab, topology: Topology) -> None:
    generated = render_cib(build(topology))
    lab.exec("n1", ["crm", "configure", "load", "xml", "replace", put(lab, generated)], timeout=60)
    before = held(lab)
    bad = put(lab, generated.replace("<primitive ", "<primitiv ", 1).replace("</primitive>", "</primitiv>", 1))
    result = lab.exec("n1", ["crm", "configure", "load", "xml", "update", bad], timeout=60, check=False)
    assert result.rc != 0
    assert difference(generated, held(lab)) == ""
    assert difference(before, held(lab)) == ""
