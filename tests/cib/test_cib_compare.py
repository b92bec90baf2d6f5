"""The canonical form: blind to what Pacemaker writes itself, and to nothing else."""

from __future__ import annotations

import pytest
from topologies import LAB

from quorate.cib.build import build
from quorate.cib.compare import canonical, difference
from quorate.cib.reader import parse_topology
from quorate.cib.render_xml import render_cib
from quorate.lib.problem import Problem

GENERATED = render_cib(build(parse_topology(LAB)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('epoch="1"', 'epoch="77" have-quorum="1" dc-uuid="1"'),
        ("<status/>", '<status><node_state id="1" uname="n1"/></status>'),
        ('id="1" uname="n1"', 'uname="n1" type="member" id="1"'),
        (
            '<node id="1" uname="n1"/>',
            '<node id="1" uname="n1"><instance_attributes id="nodes-1">'
            '<nvpair id="nodes-1-standby" name="standby" value="off"/></instance_attributes></node>',
        ),
        (
            '<cluster_property_set id="cib-bootstrap-options">',
            '<cluster_property_set id="cib-bootstrap-options"><nvpair id="x" name="dc-version" value="2.1.5"/>'
            '<nvpair id="y" name="have-watchdog" value="false"/>',
        ),
        ("</rsc_defaults>", "</rsc_defaults><op_defaults/><tags/>"),
    ],
)
def test_what_pacemaker_writes_itself_is_no_difference(old: str, new: str) -> None:
    assert GENERATED.count(old) >= 1
    assert difference(GENERATED, GENERATED.replace(old, new, 1)) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('uname="n1"', 'uname="n9"'),
        ('name="interleave" value="true"', 'name="interleave" value="false"'),
        ('kind="Optional"', 'kind="Mandatory"'),
        ('id="galera-monitor-10s"', 'id="galera-monitor-10"'),
        ('name="stonith-enabled" value="true"', 'name="stonith-enabled" value="false"'),
        ('value="n1 n2 n3"', 'value="n1 n2"'),
        ('timeout="60s"', 'timeout="61s"'),
    ],
)
def test_anything_else_is_a_difference_that_is_shown(old: str, new: str) -> None:
    changed = GENERATED.replace(old, new, 1)
    assert changed != GENERATED
    shown = difference(GENERATED, changed)
    assert shown.startswith("--- generated\n+++ held by the cluster\n")
    assert new.split('"')[1] in shown


def test_the_order_inside_a_group_is_a_difference() -> None:
    body = '<resources><group id="g"><primitive id="a"/><primitive id="b"/></group></resources>'
    one = f"<configuration>{body}</configuration>"
    two = one.replace('"a"', '"c"').replace('"b"', '"a"').replace('"c"', '"b"')
    assert difference(one, two) != ""
    assert difference(one.replace("group", "clone"), two.replace("group", "clone")) == ""


def test_not_a_cib() -> None:
    with pytest.raises(Problem, match="not well-formed XML"):
        canonical("<cib>")
    with pytest.raises(Problem, match="<html> is not a CIB"):
        canonical("<html/>")
