"""What the audits make of what a node prints. The texts are the lab's own, shortened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docker
import pytest

from quorate.lab import audit, paths
from quorate.lab.audits import cluster, galera, machine, rabbitmq
from quorate.lab.audits.evidence import NO_ANSWER, Answer, Audit, Evidence, Machine, Opinion, Question
from quorate.lab.cluster import Lab
from quorate.lab.health import parse_crm_mon
from quorate.lab.layout import read_topology
from quorate.lab.services import service

NODES = ("n1", "n2", "n3")
ADDRESSES = {"n1": "172.30.77.11", "n2": "172.30.77.12", "n3": "172.30.77.13", "gateway": "172.30.77.2"}
SERVICES = frozenset({"galera", "rabbitmq", "keystone", "nova-api", "dashboard"})
MACHINES = {name: Machine(name, "running", address) for name, address in ADDRESSES.items()}


def evidence(question: Question, *answers: Answer, **more: Any) -> Evidence:
    return Evidence(NODES, SERVICES, ADDRESSES, MACHINES, {question.name: answers}, **more)


def everywhere(question: Question, text: str) -> Evidence:
    return evidence(question, *(Answer(node, out=text) for node in NODES))


# -- answers and opinions --------------------------------------------------------------------------------------------


def test_what_is_wrong_counts_before_what_was_not_seen() -> None:
    assert Opinion("fine").value == "valid"
    assert Opinion("fine", unseen=("n1: off",)).value == "unknown"
    both = Opinion("fine", ("broken", "broken"), ("n1: off",))
    assert (both.value, both.seen) == ("invalid", "broken; n1: off")


def test_a_command_that_failed_is_quoted_by_its_error_and_not_by_its_usage() -> None:
    said = "Error: this command requires the 'rabbit' app to be running\n\nUsage\nrabbitmqctl [--node <node>]\n"
    assert Answer("n1", 64, err=said).complaint.startswith("Error: this command requires")
    assert Answer("n1", NO_ANSWER, err="not done within 18 s").complaint == "not done within 18 s"
    assert Answer("n1", 1).complaint == "(silent) (exit code 1)"


def test_an_audit_that_crashes_has_seen_nothing() -> None:
    def crash(_: Evidence) -> Opinion:
        raise ZeroDivisionError("by zero")

    found = audit._judge(Audit("broken", crash), Evidence(NODES))
    assert (found.value, found.seen) == ("unknown", "the audit crashed: ZeroDivisionError: by zero")


@pytest.mark.parametrize("one", audit.AUDITS, ids=lambda one: one.name)
def test_no_audit_is_valid_without_an_answer(one: Audit) -> None:
    silent = {
        question.name: tuple(Answer(node, trouble="cannot be asked, it is exited") for node in NODES)
        for question in one.questions
    }
    off = {name: Machine(name, "exited", "") for name in ADDRESSES}
    assert one.judge(Evidence(NODES, SERVICES, ADDRESSES, off, silent)).value != "valid"


def test_an_engine_that_is_gone_leaves_everything_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    client = docker.DockerClient(f"unix://{tmp_path}/nobody.sock", version="1.41")
    lab = Lab("gone", read_topology(paths.DEFAULT_TOPOLOGY), client)
    found = list(audit.audit(lab, cib()))
    assert [one.name for one in found] == [*(one.name for one in audit.AUDITS), "configuration"]
    assert {one.value for one in found} == {"unknown"}


def test_the_names_are_unique() -> None:
    assert len({one.name for one in audit.AUDITS}) == len(audit.AUDITS)


# -- what Pacemaker shows --------------------------------------------------------------------------------------------

NODE = (
    '<node name="{}" id="{}" online="true" standby="{}" standby_onfail="false" maintenance="false" pending="false"'
    ' unclean="false" health="green" shutdown="false" expected_up="true" is_dc="false" type="member"/>'
)
RESOURCE = (
    '<resource id="{}" resource_agent="{}" role="{}" active="true" orphaned="false" blocked="false" managed="{}"'
    ' failed="false" failure_ignored="false" nodes_running_on="1"{}><node name="{}" id="1" cached="true"/></resource>'
)
HISTORY = (
    '<node name="n3"><resource_history id="dashboard" orphan="false" migration-threshold="{}" fail-count="{}"'
    ' last-failure="Sun Nov 22 16:01:54 2026"/></node>'
)


def crm_mon(
    agent: str = "ocf:quorate:galera",
    roles: tuple[str, ...] = ("Started", "Started", "Started"),
    power: tuple[str, ...] = ("n1",),
    maintenance: str = "false",
    standby: str = "false",
    managed: str = "true",
    target: str = "",
    history: str = "",
    fencing: str = "",
    extra: str = "",
    dc: str = "n2",
) -> str:
    nodes = "".join(NODE.format(name, number, standby) for number, name in enumerate(NODES, 1))
    instances = "".join(
        RESOURCE.format("galera", agent, role, managed, target, node)
        for node, role in zip(NODES, roles, strict=False)
        if role
    )
    switch = "".join(RESOURCE.format("power", "stonith:fence_quorate_lab", "Started", "true", "", n) for n in power)
    return f"""\
<pacemaker-result api-version="2.25" request="crm_mon -1 --inactive --output-as=xml">
  <summary>
    <current_dc present="true" version="" name="{dc}" id="2" with_quorum="true" mixed_version="false"/>
    <cluster_options stonith-enabled="true" no-quorum-policy="stop" maintenance-mode="{maintenance}"
      stop-all-resources="false"/>
  </summary>
  <nodes>{nodes}</nodes>
  <resources>{switch}<clone id="galera-clone" multi_state="false" unique="false">{instances}{extra}</clone></resources>
  <node_history>{history}</node_history>
  <fence_history>{fencing}</fence_history>
  <failures>
    <failure op_key="galera_monitor_10000" node="n2" exitstatus="not running" exitreason="" exitcode="7"/>
  </failures>
</pacemaker-result>"""


CIB = """\
<cib validate-with="pacemaker-3.7" epoch="7" num_updates="75" admin_epoch="0">
  <configuration>
    <crm_config><cluster_property_set id="cib-bootstrap-options">
      <nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="true"/>
    </cluster_property_set></crm_config>
    <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/><node id="3" uname="n3"/></nodes>
    <resources>
      <primitive id="power" class="stonith" type="fence_quorate_lab"/>
      <clone id="galera-clone"><meta_attributes id="galera-clone-meta_attributes">{meta}</meta_attributes>
        <primitive id="galera" class="ocf" provider="quorate" type="galera"/></clone>
    </resources>
    <constraints>{constraints}</constraints>
  </configuration>
  <status/>
</cib>"""
PROMOTABLE = (
    '<nvpair id="a" name="promotable" value="true"/><nvpair id="b" name="promoted-max" value="{}"/>'
    '<nvpair id="c" name="clone-max" value="3"/>'
)


def cib(meta: str = "", constraints: str = "") -> str:
    return CIB.format(meta=meta, constraints=constraints)


def look(mon: str = "", config: str = "") -> Evidence:
    found = everywhere(cluster.CRM_MON, mon or crm_mon())
    answers = tuple(Answer(node, out=config or cib()) for node in NODES)
    return Evidence(NODES, SERVICES, ADDRESSES, MACHINES, {**found.answers, cluster.CIB.name: answers})


def test_a_healthy_cluster_is_valid() -> None:
    for judge in (cluster.membership, cluster.resources, cluster.maintenance, cluster.constraints, cluster.copies):
        assert judge(look()).value == "valid", judge.__name__
    past = cluster.failures(look())
    assert past.value == "valid"
    assert "galera_monitor_10000 on n2: not running" in past.seen


@pytest.mark.parametrize(
    ("mon", "config", "phrase"),
    [
        (crm_mon(roles=("Started", "Started", "")), cib(), "galera-clone is not Started on n3"),
        (crm_mon(roles=("Started", "Started", "Stopping")), cib(), "galera-clone is not Started on n3"),
        (crm_mon(power=("n1", "n3")), cib(), "power is active on n1, n3 at once"),
        (
            crm_mon(extra=RESOURCE.format("galera", "ocf:quorate:galera", "Started", "true", "", "n3")),
            cib(),
            "galera is active 2 times on n3",
        ),
        (
            crm_mon("ocf:heartbeat:galera", ("Promoted", "Promoted", "Unpromoted")),
            cib(PROMOTABLE.format(3)),
            "galera-clone is Promoted on 2 of 3 nodes",
        ),
        (
            crm_mon("ocf:heartbeat:galera", ("Promoted", "Promoted", "Unpromoted")),
            cib(PROMOTABLE.format(1)),
            "galera-clone is promoted on n1, n2: more than 1",
        ),
    ],
)
def test_what_is_not_where_it_should_be_is_found(mon: str, config: str, phrase: str) -> None:
    opinion = cluster.resources(look(mon, config))
    assert opinion.value == "invalid"
    assert phrase in opinion.seen


def test_a_promotable_clone_of_another_provider_is_valid_when_all_are_promoted() -> None:
    mon = crm_mon("ocf:heartbeat:galera", ("Promoted", "Promoted", "Promoted"))
    assert cluster.resources(look(mon, cib(PROMOTABLE.format(3)))).value == "valid"


def test_what_is_shown_active_without_power_is_found() -> None:
    found = cluster.misplaced(parse_crm_mon(crm_mon()), {"galera-clone": 0}, NODES, ("n1", "n2"))
    assert found == ["galera is shown active on n3, whose power is off"]


def test_two_designated_controllers_are_two_clusters() -> None:
    answers = (Answer("n1", out=crm_mon(dc="n1")), Answer("n2", out=crm_mon()), Answer("n3", out=crm_mon()))
    opinion = cluster.membership(evidence(cluster.CRM_MON, *answers))
    assert (opinion.value, opinion.seen) == ("invalid", "more than one DC: n1, n2")


def test_a_node_without_power_leaves_the_rest_visible() -> None:
    answers = (Answer("n1", trouble="cannot be asked, it is exited"), Answer("n2", out=crm_mon()))
    opinion = cluster.membership(evidence(cluster.CRM_MON, *answers))
    assert (opinion.value, opinion.seen) == ("unknown", "n1: cannot be asked, it is exited")
    assert cluster.maintenance(evidence(cluster.CRM_MON, *answers)).value == "valid"


@pytest.mark.parametrize(
    ("history", "phrase"),
    [
        (HISTORY.format(5, 4), ""),
        (HISTORY.format(5, 5), "dashboard has failed 5 times on n3: it may not run there any more"),
        (HISTORY.format(5, "INFINITY"), "dashboard has failed INFINITY times on n3: it may not run there any more"),
        (HISTORY.format(5, 1000000), "dashboard has failed INFINITY times on n3: it may not run there any more"),
    ],
)
def test_only_a_failure_that_still_counts_is_lingering(history: str, phrase: str) -> None:
    opinion = cluster.failures(look(crm_mon(history=history)))
    assert opinion.value == ("invalid" if phrase else "valid")
    assert phrase in opinion.seen


def test_fencing_that_is_not_done_is_lingering() -> None:
    event = '<fence_event action="reboot" target="n3" client="pacemaker-controld.46" origin="n2" status="{}"/>'
    assert cluster.failures(look(crm_mon(fencing=event.format("success")))).value == "valid"
    assert cluster.failures(look(crm_mon(fencing=event.format("pending")))).seen == "fencing (reboot) of n3 is not done"


@pytest.mark.parametrize(
    ("mon", "phrase"),
    [
        (crm_mon(maintenance="true"), "the cluster has maintenance-mode set"),
        (crm_mon(standby="true"), "n1 is in standby"),
        (crm_mon(managed="false"), "galera is not managed"),
        (crm_mon(target=' target_role="Stopped"'), "galera is told to be Stopped"),
    ],
)
def test_what_nobody_takes_care_of_is_found(mon: str, phrase: str) -> None:
    opinion = cluster.maintenance(look(mon))
    assert opinion.value == "invalid"
    assert phrase in opinion.seen


BAN = '<rsc_location id="cli-ban-power-on-n3" rsc="power" role="Started" node="n3" score="-INFINITY"/>'


def test_the_constraint_of_a_ban_is_found_and_an_order_is_not() -> None:
    order = '<rsc_order id="haproxy-then-keystone" first="haproxy-clone" then="keystone-clone" kind="Optional"/>'
    assert cluster.moved(cib(constraints=order)) == []
    assert cluster.moved(cib(constraints=order + BAN)) == ["cli-ban-power-on-n3"]


def test_changes_of_the_configuration_are_named() -> None:
    assert cluster.changes(cib(), cib()) == []
    assert cluster.changes(cib(), cib(constraints=BAN)) == ["rsc_location cli-ban-power-on-n3 is new"]
    assert cluster.changes(cib(constraints=BAN), cib()) == ["rsc_location cli-ban-power-on-n3 is gone"]
    fencing_off = cib().replace('"stonith-enabled" value="true"', '"stonith-enabled" value="false"')
    (change,) = cluster.changes(cib(), fencing_off)
    assert change.startswith("nvpair cib-bootstrap-options-stonith-enabled was")


def test_what_a_cleanup_leaves_is_no_change() -> None:
    left = '<nodes><node id="1" uname="n1"><instance_attributes id="nodes-1"/></node><node id="2"'
    stamp = '<nvpair id="cib-bootstrap-options-last-lrm-refresh" name="last-lrm-refresh" value="1795363407"/>'
    after = cib().replace('<nodes><node id="1" uname="n1"/><node id="2"', left)
    after = after.replace("</cluster_property_set>", f"{stamp}</cluster_property_set>")
    assert cluster.changes(cib(), after) == []


def copies(*texts: str, earlier: Evidence | None = None) -> Evidence:
    answers = (Answer(node, out=text) for node, text in zip(NODES, texts, strict=True))
    return evidence(cluster.CIB, *answers, earlier=earlier)


def version(epoch: int, updates: int) -> str:
    return cib().replace('epoch="7" num_updates="75"', f'epoch="{epoch}" num_updates="{updates}"')


def test_a_copy_that_stays_behind_is_found() -> None:
    first = copies(version(7, 75), version(7, 75), version(6, 90))
    assert cluster.copies(first).value == "unknown"
    again = cluster.copies(copies(version(7, 80), version(7, 80), version(6, 90), earlier=first))
    assert again.value == "invalid"
    assert again.seen == "the copies differ for long: n1 has 0.7.80, n2 has 0.7.80, n3 has 0.6.90"


def test_a_dc_whose_updates_are_fewer_is_only_mentioned() -> None:
    """Seen after three partitions met: n1 was elected, and n2 and n3 refuse its copy until the next change."""
    first = copies(version(7, 20), version(7, 75), version(7, 75))
    assert cluster.copies(first).value == "unknown"
    again = cluster.copies(copies(version(7, 22), version(7, 75), version(7, 75), earlier=first))
    assert again.value == "valid"
    assert again.seen == (
        "the same configuration on 3 nodes, whose num_updates stay apart (n1 has 0.7.22, n2 has 0.7.75, n3 has 0.7.75)"
    )


def test_another_configuration_is_found_however_the_updates_are() -> None:
    first = copies(version(7, 20), version(7, 75), version(7, 75))
    other = version(7, 80).replace('value="true"', 'value="false"')
    for earlier in (None, first):
        opinion = cluster.copies(copies(version(7, 80), version(7, 85), other.replace("80", "90"), earlier=earlier))
        assert opinion.value == "invalid"
        assert opinion.seen == "the copies differ, though n1 has 0.7.80, n2 has 0.7.85, n3 has 0.7.90"


def test_a_copy_from_before_an_administrator_raised_the_epoch_is_found() -> None:
    new, old = version(7, 75).replace('admin_epoch="0"', 'admin_epoch="1"'), version(9, 75)
    first = copies(new, new, old)
    assert cluster.copies(copies(new, new, old, earlier=first)).value == "invalid"


def test_a_cib_that_is_being_changed_is_valid_once_all_have_moved_on() -> None:
    first = copies(version(7, 75), version(7, 75), version(7, 70))
    assert cluster.copies(copies(version(8, 1), version(8, 2), version(7, 76), earlier=first)).value == "valid"


def test_copies_of_one_version_that_differ_are_found() -> None:
    opinion = cluster.copies(copies(cib(), cib(), cib(constraints=BAN)))
    assert opinion.value == "invalid"
    assert opinion.seen.startswith("the copies differ, though n1 has 0.7.75")


def test_the_complaint_of_crm_verify_is_its_first_error() -> None:
    said = (
        "(is_op_dup) \terror: Operation power-monitor-b is duplicate of power-monitor-60s\n"
        "crm_verify: Errors found during check: config not valid\n"
    )
    opinion = cluster.valid(evidence(cluster.VERIFY, Answer("n1", 78, err=said)))
    assert opinion.value == "invalid"
    assert "power-monitor-b is duplicate of power-monitor-60s" in opinion.seen


# -- RabbitMQ --------------------------------------------------------------------------------------------------------

STATUS: dict[str, Any] = json.loads(
    '{"alarms":[],"cluster_name":"rabbit@n1","disk_nodes":["rabbit@n1","rabbit@n2","rabbit@n3"],"maintenance_status":'
    '{"rabbit@n1":"not under maintenance","rabbit@n2":"not under maintenance","rabbit@n3":"not under maintenance"},'
    '"partitions":{},"ram_nodes":[],"running_nodes":["rabbit@n3","rabbit@n2","rabbit@n1"]}'
)
QUEUES: list[dict[str, Any]] = json.loads(
    '[{"name":"mirrored","type":"classic","members":"","online":"","slave_pids":["#PID<12767.1438.0>",'
    '"#PID<12766.517.0>"],"synchronised_slave_pids":["#PID<12766.517.0>","#PID<12767.1438.0>"],"state":"running"},'
    '{"name":"quorum","type":"quorum","members":["rabbit@n1","rabbit@n3","rabbit@n2"],"online":["rabbit@n1",'
    '"rabbit@n3","rabbit@n2"],"slave_pids":"","synchronised_slave_pids":"","state":"running"},'
    '{"name":"reply_1","type":"classic","members":"","online":"","slave_pids":"","synchronised_slave_pids":"",'
    '"state":"running"}]'
)
ALARM = {"node": "rabbit@n3", "resource": "memory", "type": "resource_limit"}


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({}, ""),
        ({"running_nodes": ["rabbit@n1", "rabbit@n2"]}, "running are only n1, n2"),
        ({"disk_nodes": ["rabbit@n1"]}, "the members are n1"),
        ({"disk_nodes": ["rabbit@n1", "rabbit@n2", "rabbit@n3", "rabbit@old"]}, "the members are n1, n2, n3, old"),
        ({"partitions": {"rabbit@n1": ["rabbit@n2"]}}, 'partitions: {"rabbit@n1": ["rabbit@n2"]}'),
        ({"alarms": [ALARM]}, f"alarms: {json.dumps([ALARM])}"),
        ({"maintenance_status": {"rabbit@n2": "marked for maintenance"}}, "rabbit@n2 is marked for maintenance"),
    ],
)
def test_a_divided_rabbitmq_is_found(change: dict[str, Any], phrase: str) -> None:
    opinion = rabbitmq.cluster(everywhere(rabbitmq.STATUS, json.dumps({**STATUS, **change})))
    assert opinion.value == ("invalid" if phrase else "valid")
    assert phrase in opinion.seen


def test_one_node_that_sees_itself_alone_is_enough() -> None:
    alone = {**STATUS, "disk_nodes": ["rabbit@n2"], "running_nodes": ["rabbit@n2"]}
    answers = (Answer("n1", out=json.dumps(STATUS)), Answer("n2", out=json.dumps(alone)))
    assert rabbitmq.cluster(evidence(rabbitmq.STATUS, *answers)).seen.startswith("n2 sees: the members are n2")


def test_a_broker_that_does_not_run_is_found() -> None:
    said = "Error: this command requires the 'rabbit' app to be running on the target node.\n"
    opinion = rabbitmq.cluster(evidence(rabbitmq.STATUS, Answer("n3", 64, err=said)))
    assert (opinion.value, "the 'rabbit' app" in opinion.seen) == ("invalid", True)


def test_whole_queues_lack_nothing() -> None:
    assert [phrase for queue in QUEUES for phrase in rabbitmq.incomplete(queue, NODES)] == []
    assert rabbitmq.queues(evidence(rabbitmq.QUEUES, Answer("n1", out=json.dumps(QUEUES)))).value == "valid"
    assert rabbitmq.queues(evidence(rabbitmq.QUEUES, Answer("n1", out="[\n\n]"))).value == "valid"


@pytest.mark.parametrize(
    ("queue", "change", "phrase"),
    [
        (0, {"synchronised_slave_pids": ["#PID<12766.517.0>"]}, "has 1 synchronised mirrors of 2, not 2"),
        (0, {"slave_pids": [], "synchronised_slave_pids": []}, "has 0 synchronised mirrors of 0, not 2"),
        (1, {"online": ["rabbit@n1", "rabbit@n2"]}, "has members online on n1, n2 only"),
        (1, {"online": [], "state": "minority"}, "is minority"),
        (2, {"state": "down"}, "is down"),
    ],
)
def test_a_queue_that_lacks_a_copy_is_found(queue: int, change: dict[str, Any], phrase: str) -> None:
    assert phrase in "; ".join(rabbitmq.incomplete({**QUEUES[queue], **change}, NODES))


# -- Galera ----------------------------------------------------------------------------------------------------------


def state(
    committed: int = 1845, after: int | None = None, table: str = "2048426882", comment: str = "Synced", size: int = 3
) -> str:
    return (
        f"WSREP_LOCAL_STATE_COMMENT\t{comment}\nWSREP_CLUSTER_SIZE\t{size}\n"
        "WSREP_CLUSTER_STATE_UUID\t7e26d004-e68d-11f1-896f-32e51e23c55d\nWSREP_CLUSTER_STATUS\tPrimary\n"
        f"WSREP_READY\tON\nbefore\t{committed}\nchaos_set.numbers\t{table}\nkeystone.access_rule\t0\n"
        f"after\t{committed if after is None else after}\n"
    )


def galeras(*texts: str, earlier: Evidence | None = None) -> Evidence:
    answers = (Answer(node, out=text) for node, text in zip(NODES, texts, strict=True))
    return evidence(galera.STATE, *answers, earlier=earlier)


def test_equal_nodes_of_one_component_are_valid() -> None:
    same = galeras(state(), state(), state())
    assert galera.component(same).value == "valid"
    assert galera.data(same).seen == "2 tables alike on 3 nodes, which have committed 1845"


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        (state(comment="Donor/Desynced"), "n3: wsrep_local_state_comment is Donor/Desynced"),
        (state(size=2), "n3: wsrep_cluster_size is 2"),
        (state().replace("Primary", "non-Primary"), "n3: wsrep_cluster_status is non-Primary"),
        (state().replace("7e26d004", "11111111"), "the nodes are of different clusters"),
    ],
)
def test_a_node_apart_is_found(text: str, phrase: str) -> None:
    opinion = galera.component(galeras(state(), state(), text))
    assert (opinion.value, opinion.seen) == ("invalid", phrase)


def test_a_database_that_does_not_answer_is_found() -> None:
    refusal = "ERROR 2002 (HY000): Can't connect to local server through socket '/run/mysqld/mysqld.sock' (2)\n"
    opinion = galera.component(evidence(galera.STATE, Answer("n1", 1, err=refusal)))
    assert opinion.value == "invalid"
    assert "Can't connect" in opinion.seen


def test_a_row_that_only_one_node_has_is_found() -> None:
    opinion = galera.data(galeras(state(), state(), state(table="3036305396")))
    assert opinion.value == "invalid"
    assert opinion.seen == "table chaos_set.numbers differs: n1 2048426882, n2 2048426882, n3 3036305396"


def test_a_table_that_one_node_lacks_is_found() -> None:
    without = state().replace("chaos_set.numbers\t2048426882\n", "")
    assert "n3 missing" in galera.data(galeras(state(), state(), without)).seen


def test_sums_under_writes_say_nothing() -> None:
    busy = galeras(state(10), state(12), state(14, table="1"))
    assert (galera.data(busy).value, galera.data(busy).seen) == ("unknown", "the databases are being written to")


def test_a_node_that_has_caught_up_since_is_not_behind() -> None:
    earlier = galeras(state(10), state(12), state(14))
    assert galera.data(galeras(state(15), state(17), state(16), earlier=earlier)).value == "valid"


def test_a_table_that_stays_different_under_writes_is_found() -> None:
    earlier = galeras(state(10), state(12), state(14, table="1"))
    still = galera.data(galeras(state(15), state(17), state(19, table="1"), earlier=earlier))
    assert (still.value, still.seen) == (
        "invalid",
        "table chaos_set.numbers differs: n1 2048426882, n2 2048426882, n3 1",
    )
    moving = galera.data(galeras(state(15), state(17), state(19, table="2"), earlier=earlier))
    assert moving.value == "unknown"


def test_a_node_that_stays_behind_is_found() -> None:
    earlier = galeras(state(10), state(20), state(20))
    opinion = galera.data(galeras(state(10), state(25), state(25), earlier=earlier))
    assert opinion.value == "invalid"
    assert "n1 has committed 10, another node had 20 a while before" in opinion.seen


def test_tables_that_could_not_be_summed_up_are_unknown() -> None:
    broken = Answer("n3", 1, out="WSREP_CLUSTER_STATUS\tPrimary\nbefore\t7\n", err="ERROR 1205 (HY000) at line 9: Lock")
    answers = (Answer("n1", out=state()), Answer("n2", out=state()), broken)
    opinion = galera.data(evidence(galera.STATE, *answers))
    assert opinion.value == "unknown"
    assert "n3 could not be summed up: ERROR 1205" in opinion.seen


# -- machines --------------------------------------------------------------------------------------------------------

SAVED = """\
# Generated by iptables-save v1.8.9 (nf_tables) on Sun Nov 22 16:02:28 2026
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER_OUTPUT - [0:0]
:DOCKER_POSTROUTING - [0:0]
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A POSTROUTING -d 127.0.0.11/32 -j DOCKER_POSTROUTING
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:41395
-A DOCKER_POSTROUTING -s 127.0.0.11/32 -p tcp -m tcp --sport 41395 -j SNAT --to-source :53
COMMIT
"""


def test_a_fresh_packet_filter_has_no_rules() -> None:
    assert machine.rules(SAVED) == []


def test_rules_chains_and_policies_are_found() -> None:
    chain = ":QUORATE-CHAOS - [0:0]\n-A INPUT -j QUORATE-CHAOS\n-A QUORATE-CHAOS -s 10.9.9.9/32 -j DROP\nCOMMIT\n*nat"
    assert machine.rules(SAVED.replace("COMMIT\n*nat", chain)) == [
        "the chain QUORATE-CHAOS is left in the table filter",
        "the rule -A INPUT -j QUORATE-CHAOS is left",
        "the rule -A QUORATE-CHAOS -s 10.9.9.9/32 -j DROP is left",
    ]
    assert machine.rules(SAVED.replace(":FORWARD ACCEPT", ":FORWARD DROP")) == ["the policy of FORWARD is DROP"]


PROCESSES = [
    # pid, parent, session, start, state, threads, command, user
    [1, 0, 1, 100, "S", 1, "docker-init", "root"],
    [7, 1, 1, 101, "S", 1, "pacemakerd", "root"],
    [42, 7, 42, 102, "S", 1, "pacemaker-execd", "root"],
    [225, 1, 225, 1302114, "S", 20, "beam.smp", "rabbitmq"],
    [1661, 1, 1661, 1309430, "S", 1, "uwsgi_python3", "keystone"],
    [1668, 1661, 1661, 1309440, "S", 1, "uwsgi_python3", "keystone"],
    [1925, 1, 1925, 1311343, "S", 1, "uwsgi_python3", "nova"],
]
RECORDS = {"keystone": [1661, 1309430], "nova-api": [1925, 1311343], "rabbitmq": [225, 1302114]}
STRAY = [2497, 1, 2496, 1400000, "S", 1, "uwsgi_python3", "keystone"]


def told(
    more: list[list[Any]] | None = None, records: dict[str, list[int]] | None = None, free: int = 76 << 30
) -> Evidence:
    said = {
        "processes": PROCESSES + (more or []),
        "records": RECORDS if records is None else records,
        "disks": {"/": [252 << 30, free], "/run": [64 << 20, 60 << 20]},
    }
    return everywhere(machine.MACHINE, json.dumps(said))


def test_the_processes_of_one_instance_each_are_valid() -> None:
    assert machine.orphans(told()).value == "valid"
    assert machine.orphans(told(records={})).value == "valid"


def test_a_second_instance_is_found_with_and_without_a_record() -> None:
    known = machine.orphans(told([STRAY]))
    assert "n1: uwsgi_python3 (pid 2497) of keystone is not of the instance with pid 1661" in known.wrong
    unknown = machine.orphans(told([STRAY], records={}))
    assert "n1: keystone runs 2 times: uwsgi_python3 (pid 1661), uwsgi_python3 (pid 2497)" in unknown.wrong


def test_a_record_whose_pid_is_another_process_now_counts_as_none() -> None:
    stale = machine.orphans(told(records={"keystone": [1661, 1]}))
    assert stale.value == "valid"


@pytest.mark.parametrize(
    "more",
    [
        # The command line of RabbitMQ, asked by an agent.
        [[900, 42, 900, 5, "S", 1, "rabbitmq-cluste", "root"], [901, 900, 900, 6, "S", 9, "beam.smp", "rabbitmq"]],
        # The same, asked by an audit.
        [[900, 0, 900, 5, "S", 1, "timeout", "root"], [901, 900, 900, 6, "S", 9, "beam.smp", "rabbitmq"]],
        # Ended, and not yet waited for.
        [[901, 1, 901, 6, "Z", 1, "beam.smp", "rabbitmq"]],
    ],
)
def test_a_command_under_way_is_no_second_instance(more: list[list[Any]]) -> None:
    assert machine.orphans(told(more)).value == "valid"
    assert machine.orphans(told(more, records={})).value == "valid"


def test_a_zombie_that_is_still_ending_is_a_process() -> None:
    assert machine.orphans(told([[901, 1, 901, 6, "Z", 4, "beam.smp", "rabbitmq"]])).value == "invalid"


def test_only_services_of_the_cluster_are_asked_about() -> None:
    other = Evidence(NODES, frozenset({"galera"}), ADDRESSES, MACHINES, told([STRAY]).answers)
    assert machine.orphans(other).value == "valid"


def test_a_stopped_process_is_found() -> None:
    assert machine.stopped(told()).value == "valid"
    held = machine.stopped(told([[2469, 1, 2469, 9, "T", 1, "corosync", "root"]]))
    assert "n2: corosync (pid 2469) is stopped by a signal" in held.wrong


def test_a_full_disk_is_found() -> None:
    assert machine.disks(told()).value == "valid"
    assert "n1: the disk of / is full: 1024 of 258048 MiB are free" in machine.disks(told(free=1 << 30)).wrong


@pytest.mark.parametrize(
    ("changed", "phrase"),
    [
        (Machine("n2", "paused", "172.30.77.12"), "n2 is paused"),
        (Machine("n2", "running", ""), "n2 has the address (none) in the lab, not 172.30.77.12"),
        (Machine("gateway", "exited", ""), "gateway is exited"),
    ],
)
def test_a_machine_that_does_not_run_in_its_place_is_found(changed: Machine, phrase: str) -> None:
    seen = Evidence(NODES, SERVICES, ADDRESSES, {**MACHINES, changed.name: changed})
    assert list(machine.unpowered(seen)) == [phrase]
    assert list(machine.unpowered(Evidence(NODES, SERVICES, ADDRESSES, MACHINES))) == []


def test_the_services_of_the_lab_have_names_that_the_audits_know() -> None:
    for one in audit.AUDITS:
        if one.service:
            assert service(one.service).clone == f"{one.service}-clone"
