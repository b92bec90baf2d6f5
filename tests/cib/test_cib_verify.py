"""Verification by the real crm_verify and the installed schemas."""

from __future__ import annotations

from pathlib import Path

import pytest
from topologies import LAB, Simulation

from quorate.cib.build import build
from quorate.cib.reader import parse_topology
from quorate.cib.render_xml import render_cib
from quorate.cib.verify import verify
from quorate.lib.problem import Failed, Unavailable

GOOD = render_cib(build(parse_topology(LAB)))


def test_good() -> None:
    verify(GOOD)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('class="ocf"', 'klass="ocf"', "not valid under pacemaker-3.7"),
        ('kind="Optional"', 'kind="Perhaps"', "not valid under pacemaker-3.7"),
        ("pacemaker-3.7", "pacemaker-99", "has no schema 'pacemaker-99'"),
        ("pacemaker-3.7", "../pacemaker-3.7", "has no schema"),
        ("</cib>", "", "not well-formed XML"),
        ('first="galera-clone"', 'first="nobody-clone"', 'references an unknown ID "nobody-clone"'),
    ],
)
def test_bad(old: str, new: str, words: str) -> None:
    bad = GOOD.replace(old, new)
    assert bad != GOOD
    with pytest.raises(Failed) as caught:
        verify(bad, "some.xml")
    assert str(caught.value).startswith("some.xml:")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_only_crm_verify_sees() -> None:
    op = '<op id="keystone-monitor-10s" name="monitor" interval="10s" timeout="20s"/>'
    bad = GOOD.replace(op, op + op.replace("keystone-monitor-10s", "twin"))
    assert bad != GOOD
    with pytest.raises(Failed, match=r"^some.xml: crm_verify says: .*twin"):
        verify(bad, "some.xml")


def test_the_state_of_the_cluster_is_not_judged(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, GOOD)
    simulation.start_all()
    simulation.run("-i", "galera_monitor_10000@n1=1", "--node-fail=n2")
    dumped = simulation.held()
    assert 'rc-code="1"' in dumped
    verify(dumped)


def test_fencing_without_a_device_is_noticed() -> None:
    start = GOOD.index('<primitive id="power"')
    end = GOOD.index("</primitive>", start) + len("</primitive>")
    with pytest.raises(Failed, match=r"crm_verify says: .*STONITH"):
        verify(GOOD[:start] + GOOD[end:])


def test_no_crm_verify(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="apt-get install pacemaker-cli-utils") as caught:
        verify(GOOD)
    assert caught.value.exit_code == 3
