"""The audits on the running cluster: silent about a healthy one, and each finds what is planted for it.

With it the two other things that a run takes from the nodes: the cluster's events, and the logs of the run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from quorate.lab import collect
from quorate.lab.audit import AUDITS, audit
from quorate.lab.cluster import Lab
from quorate.lab.events import cluster_events

NODE = "n3"
CHAIN = "QUORATE-CHAOS"
STRAY = "/tmp/uwsgi_python3"
DATABASE = "chaos_audit"


def shell(lab: Lab, script: str) -> str:
    return lab.exec(NODE, ["sh", "-c", script], timeout=60).out


@contextmanager
def planted(lab: Lab, plant: str, heal: str) -> Iterator[None]:
    try:
        shell(lab, plant)
        yield
    finally:
        shell(lab, heal)


def test_a_healthy_lab_has_no_findings(lab: Lab) -> None:
    begun = time.monotonic()
    found = list(audit(lab, lab.cib()))
    assert [(one.name, one.seen) for one in found if one.value != "valid"] == []
    assert [one.name for one in found] == [*(one.name for one in AUDITS), "configuration"]
    assert time.monotonic() - begun < 30


PLANTS = {
    "firewall": (
        f"iptables -N {CHAIN}; iptables -A {CHAIN} -s 192.0.2.1 -j DROP; iptables -I INPUT -j {CHAIN}",
        f"iptables -D INPUT -j {CHAIN}; iptables -F {CHAIN}; iptables -X {CHAIN}",
    ),
    "stopped processes": (
        "setsid sleep 600 >/dev/null 2>&1 & echo $! > /tmp/held; kill -STOP $!",
        "kill -KILL $(cat /tmp/held); rm /tmp/held",
    ),
    # A copy of another program under the service's command name and user: it listens nowhere and hurts nobody.
    "processes": (
        f"install -m 755 /bin/sleep {STRAY};"
        f"setsid setpriv --reuid=keystone --clear-groups {STRAY} 600 >/dev/null 2>&1 & echo $! > /tmp/stray; sleep 0.2",
        f"kill -KILL $(cat /tmp/stray); rm /tmp/stray {STRAY}",
    ),
    # The fencing device may run on any node: away from one of them it moves at most.
    "constraints": (f"crm_resource --ban -r power -N {NODE}", "crm_resource --clear -r power"),
    "maintenance": (
        "crm_attribute -t crm_config -n maintenance-mode -v true",
        "crm_attribute -t crm_config -n maintenance-mode -D",
    ),
    "galera data": (
        f"mariadb -e 'CREATE DATABASE {DATABASE}; CREATE TABLE {DATABASE}.t (n INT PRIMARY KEY);"
        f" SET SESSION wsrep_on = 0; INSERT INTO {DATABASE}.t VALUES (1)'",
        f"mariadb -e 'DROP DATABASE IF EXISTS {DATABASE}'",
    ),
}


@pytest.fixture
def healed(lab: Lab) -> Iterator[Lab]:
    """The lab, whole again after the test."""
    yield lab
    lab.wait_healthy(120)
    assert [(one.name, one.seen) for one in audit(lab) if one.value != "valid"] == []


def test_every_plant_is_found_and_only_those_and_they_are_events(healed: Lab, tmp_path: Path) -> None:
    lab = healed
    before = lab.cib()
    noted, began = collect.note_logs(lab), time.time()
    with ExitStack() as stack:
        for plant, heal in PLANTS.values():
            stack.enter_context(planted(lab, plant, heal))
        found = {one.name: one for one in audit(lab, before)}
    invalid = {name for name, one in found.items() if one.value == "invalid"}
    assert set(PLANTS) | {"configuration"} <= invalid
    assert invalid <= set(PLANTS) | {"configuration", "resources"}
    assert f"{NODE}: the rule -A {CHAIN} -s 192.0.2.1/32 -j DROP is left" in found["firewall"].seen
    assert f"table {DATABASE}.t differs" in found["galera data"].seen
    assert "uwsgi_python3" in found["processes"].seen

    seen = [event.text for event in cluster_events(lab, began) if event.kind == "maintenance"]
    assert "maintenance-mode is true" in seen
    assert f"the constraint cli-ban-power-on-{NODE} is set" in seen

    assert collect.collect_run(lab, tmp_path, noted, began) == []
    secrets = [secret.encode() for secret in lab.secrets.values()]
    for node in lab.nodes:
        folder = tmp_path / "logs" / node
        assert "maintenance-mode" in (folder / "pacemaker" / "pacemaker.log").read_text()
        assert "Node List" in (folder / "crm_mon.txt").read_text()
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(secret in content for secret in secrets), path
                assert path.stat().st_size < 5_000_000, "only what was written since the beginning is kept"
