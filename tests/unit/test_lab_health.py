"""What is missing from a cluster, read from crm_mon's XML."""

from __future__ import annotations

import pytest

from quorate.lab.health import clones_of, parse_crm_mon, under_way
from quorate.lib.problem import Failed

NODE = '<node name="{}" online="{}" standby="false" maintenance="false" pending="false" unclean="{}"/>'
HEALTHY = """\
<pacemaker-result api-version="2.25">
  <summary><current_dc present="true" name="n1" with_quorum="true"/></summary>
  <nodes>{nodes}</nodes>
  <resources>
    <resource id="power" role="Started" failed="false" blocked="false"><node name="n1"/></resource>
    <clone id="keystone-clone">
      <resource id="keystone" role="Started" failed="false" blocked="false"><node name="n1"/></resource>
      {second}
    </clone>
  </resources>
  <failures>{failures}</failures>
</pacemaker-result>"""
SECOND = '<resource id="keystone" role="{}" failed="{}" blocked="{}"{}>{}</resource>'


def text(
    online: str = "true",
    unclean: str = "false",
    role: str = "Started",
    failed: str = "false",
    blocked: str = "false",
    pending: str = "",
    where: str = '<node name="n2"/>',
    failures: str = "",
) -> str:
    nodes = NODE.format("n1", "true", "false") + NODE.format("n2", online, unclean)
    attribute = f' pending="{pending}"' if pending else ""
    return HEALTHY.format(nodes=nodes, second=SECOND.format(role, failed, blocked, attribute, where), failures=failures)


def missing(xml: str, promoted: int = 0) -> tuple[str, ...]:
    return parse_crm_mon(xml).missing(("n1", "n2"), {"keystone-clone": promoted})


def test_a_healthy_cluster_lacks_nothing() -> None:
    health = parse_crm_mon(text())
    assert health.dc == "n1"
    assert missing(text()) == ()


@pytest.mark.parametrize(
    ("xml", "phrase"),
    [
        (text(online="false"), "node n2 is offline"),
        (text(online="false", unclean="true"), "node n2 is unclean"),
        (text(role="Stopped", where=""), "keystone-clone is not Started on n2"),
        (text(role="Starting"), "keystone-clone is not Started on n2"),
        (text(pending="Monitoring"), "keystone-clone is not Started on n2"),
        (text(failed="true"), "keystone is failed on n2"),
        (text(role="Stopped", where="", blocked="true"), "keystone is blocked on ?"),
        (text().replace('with_quorum="true"', 'with_quorum="false"'), "no quorum"),
        (text().replace('present="true"', 'present="false"'), "no DC"),
        (text().replace('id="power" role="Started"', 'id="power" role="Stopped"'), "power is Stopped"),
    ],
)
def test_each_lack_is_one_phrase(xml: str, phrase: str) -> None:
    assert phrase in missing(xml)


def test_a_promotable_clone_needs_its_promoted_instances() -> None:
    one = text(role="Promoted").replace('id="keystone" role="Started"', 'id="keystone" role="Unpromoted"')
    both = one.replace('"Unpromoted"', '"Promoted"')
    assert missing(one) == missing(one, 1) == missing(both, 2) == ()
    assert missing(one, 2) == missing(one, 3) == ("keystone-clone is Promoted on 1 of 2 nodes",)


@pytest.mark.parametrize(
    ("meta", "promoted"),
    [
        ({}, 0),
        ({"interleave": "true", "promoted-max": "3"}, 0),
        ({"promotable": "false", "promoted-max": "3"}, 0),
        ({"promotable": "true"}, 1),
        ({"promotable": "true", "promoted-max": "3"}, 3),
        ({"promotable": "yes", "master-max": "2"}, 2),
    ],
)
def test_the_cib_says_how_many_are_promoted(meta: dict[str, str], promoted: int) -> None:
    pairs = "".join(f'<nvpair id="{name}" name="{name}" value="{value}"/>' for name, value in meta.items())
    clone = f'<clone id="db-clone"><meta_attributes id="m">{pairs}</meta_attributes><primitive id="db"/></clone>'
    assert clones_of(f"<resources>{clone}<clone id='web-clone'/></resources>") == {"db-clone": promoted, "web-clone": 0}


def test_an_absent_node_and_clone_are_missed() -> None:
    found = parse_crm_mon(text()).missing(("n1", "n2", "n3"), {"keystone-clone": 0, "nova-api-clone": 0})
    assert "node n3 is unknown to the cluster" in found
    assert "nova-api-clone is not Started on n1, n2, n3" in found


def test_failures_are_told_but_do_not_make_a_recovered_resource_unhealthy() -> None:
    failure = '<failure op_key="keystone_start_0" node="n2" exitstatus="error" exitreason="no config"/>'
    health = parse_crm_mon(text(failures=failure))
    assert [str(each) for each in health.failures] == ["keystone_start_0 on n2: error (no config)"]
    assert health.missing(("n1", "n2"), {"keystone-clone": 0}) == ()


def test_what_is_not_xml_is_a_failure() -> None:
    with pytest.raises(Failed, match="did not print XML"):
        parse_crm_mon("crm_mon: Connection to cluster failed")


# -- what Pacemaker does ---------------------------------------------------------------------------------------------

OP = (
    '<lrm_rsc_op id="{0}" operation_key="{1}" operation="{2}" call-id="{3}" rc-code="{4}" op-status="{5}"'
    ' interval="{6}"/>'
)
START = OP.format("keystone_last_0", "keystone_start_0", "start", 40, 0, 0, 0)
MONITOR = OP.format("keystone_monitor_10000", "keystone_monitor_10000", "monitor", 42, 0, 0, 10000)
DEEP = OP.format("keystone_monitor_30000", "keystone_monitor_30000", "monitor", 43, 190, 0, 30000)
FAILURE = OP.format("keystone_last_failure_0", "keystone_monitor_10000", "monitor", 42, 7, 0, 10000)


def status(operations: str, other: str = "", kind: str = "ocf") -> str:
    """The status of two nodes: *operations* in n1's history of keystone, *other* in n2's."""
    nodes = "".join(
        f'<node_state uname="{node}"><lrm><lrm_resources><lrm_resource id="keystone" class="{kind}">{history}'
        "</lrm_resource></lrm_resources></lrm></node_state>"
        for node, history in (("n1", operations), ("n2", other))
    )
    return f"<cib><configuration/><status>{nodes}</status></cib>"


def test_a_recurring_monitor_is_under_way_until_it_is_cancelled() -> None:
    assert under_way(status(START + MONITOR + DEEP, START + MONITOR)) == (
        "keystone_monitor_10000 on n1",
        "keystone_monitor_30000 on n1",
        "keystone_monitor_10000 on n2",
    )
    assert under_way(status(START, START)) == ()


def test_an_operation_without_a_result_is_under_way() -> None:
    for action, interval in (("start", 0), ("stop", 0), ("monitor", 0), ("monitor", 10000)):
        key = f"keystone_{action}_{interval}"
        name = key if interval else "keystone_last_0"
        pending = OP.format(name, key, action, -1, 193, -1, interval)
        assert under_way(status("", pending)) == (f"{key} on n2",)


def test_what_is_only_history_is_not_under_way() -> None:
    """A failure that is remembered, and the monitor of an instance that was stopped since."""
    stop = OP.format("keystone_last_0", "keystone_stop_0", "stop", 50, 0, 0, 0)
    assert under_way(status(START + FAILURE, stop + MONITOR)) == ()
    assert under_way(status(START + MONITOR, kind="stonith")) == ()
    assert under_way("<cib><configuration/></cib>") == ()
