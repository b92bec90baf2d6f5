"""What the logs of a cluster tell, read from lines that a lab's nodes wrote."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from quorate.lab.events import COROSYNC, PACEMAKER, Event, merge, read_events, read_stamp

NODES = ("n1", "n2", "n3")


def at(text: str, year: int = 2026) -> float:
    return datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC).timestamp()


SINCE = at("Nov 22 15:00:00")


def found(pacemaker: str = "", corosync: str = "", since: float = SINCE) -> list[tuple[str, str, str]]:
    """Kind, node and text of what one node's logs tell."""
    return brief(read_events([{PACEMAKER: pacemaker, COROSYNC: corosync}], NODES, since))


def brief(seen: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.kind, event.node, event.text) for event in seen]


# -- time ------------------------------------------------------------------------------------------------------------


def test_a_stamp_has_milliseconds_and_the_year_of_the_run() -> None:
    assert read_stamp("Nov 22 16:03:25.084", SINCE) == pytest.approx(at("Nov 22 16:03:25") + 0.084)
    assert read_stamp("Nov  2 16:03:25", SINCE) == at("Nov 02 16:03:25")


def test_a_run_over_new_year_has_lines_of_two_years() -> None:
    began = at("Dec 31 23:59:50")
    assert read_stamp("Dec 31 23:59:59.500", began) == pytest.approx(began + 9.5)
    assert read_stamp("Jan  1 00:00:10.000", began) == pytest.approx(began + 20)
    assert read_stamp("Dec 31 23:59:50", at("Jan 01 00:00:05", 2027)) == began


def test_the_29th_of_february_is_a_day_of_its_own_year() -> None:
    assert read_stamp("Feb 29 12:00:00", at("Mar 01 12:00:00", 2028)) == at("Feb 29 12:00:00", 2028)


# -- operations ------------------------------------------------------------------------------------------------------

OPERATIONS = """\
Nov 22 16:23:05.044 n1 pacemaker-controld  [48] (do_lrm_rsc_op) \tnotice: Requesting local execution of promote operation for galera on n1 | transition_key=16:5:0:2d046bfc-4261-4535-969f-40ed60d5758e op_key=galera_promote_0
Nov 22 16:23:23.452 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of promote operation for galera on n1: ok | CIB update 43, graph action confirmed; call=31 key=galera_promote_0 rc=0
Nov 22 16:23:24.248 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of monitor operation for galera on n1: promoted | CIB update 45, graph action unconfirmed; call=32 key=galera_monitor_10000 rc=8
Nov 22 16:33:52.356 n1 pacemaker-controld  [48] (log_executor_event) \tinfo: Result of monitor operation for galera on n1: Cancelled | graph action confirmed; call=63 key=galera_monitor_11000
Nov 22 16:33:59.272 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of probe operation for power on n1: not running | CIB update 18, graph action confirmed; call=9 key=power_monitor_0 rc=7
Nov 22 16:34:33.328 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of monitor operation for galera on n1: not running | CIB update 65, graph action unconfirmed; call=25 key=galera_monitor_10000 rc=7
Nov 22 16:34:33.388 n1 pacemaker-controld  [48] (do_lrm_rsc_op) \tnotice: Requesting local execution of stop operation for galera on n1 | transition_key=3:11:0:ed684378-3319-40da-8b29-5f4683555cd4 op_key=galera_stop_0
Nov 22 16:34:33.468 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of stop operation for galera on n1: ok | CIB update 67, graph action confirmed; call=54 key=galera_stop_0 rc=0
Nov 22 16:34:33.564 n1 pacemaker-controld  [48] (do_lrm_rsc_op) \tnotice: Requesting local execution of start operation for galera on n1 | transition_key=32:11:0:ed684378-3319-40da-8b29-5f4683555cd4 op_key=galera_start_0
Nov 22 16:34:52.376 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of start operation for galera on n1: ok | CIB update 69, graph action confirmed; call=55 key=galera_start_0 rc=0
Nov 22 16:34:52.420 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of monitor operation for galera on n1: ok | CIB update 71, graph action unconfirmed; call=56 key=galera_monitor_10000 rc=0
"""  # noqa: E501


def test_what_a_resource_went_through() -> None:
    assert found(OPERATIONS) == [
        ("promote", "n1", "promote of galera"),
        ("promoted", "n1", "galera"),
        ("failed", "n1", "monitor of galera: not running"),
        ("stop", "n1", "stop of galera"),
        ("stopped", "n1", "galera"),
        ("start", "n1", "start of galera"),
        ("started", "n1", "galera"),
    ]


def test_what_was_written_before_the_run_is_left_out() -> None:
    assert found(OPERATIONS, since=at("Nov 22 16:34:40")) == [("started", "n1", "galera")]


def test_a_failure_has_its_reason() -> None:
    line = (
        "Nov 22 16:20:51.108 n2 pacemaker-controld  [54] (log_executor_event) \tnotice: Result of start operation for "
        "galera on n2: error (nothing to join or bootstrap for 15 s: n3 has not said yet what its data directory holds)"
        " | CIB update 35, graph action confirmed; call=22 key=galera_start_0 rc=1\n"
    )
    assert found(line) == [
        (
            "failed",
            "n2",
            "start of galera: error (nothing to join or bootstrap for 15 s: n3 has not said yet what its data "
            "directory holds)",
        )
    ]


def test_a_degraded_service_has_not_failed() -> None:
    line = (
        "Nov 22 16:35:21.748 n2 pacemaker-controld  [54] (log_executor_event) \tnotice: Result of monitor operation "
        "for galera on n2: OCF_DEGRADED (the node is outside the primary component (non-Primary) for 0 s) | CIB "
        "update 90, graph action unconfirmed; call=76 key=galera_monitor_10000 rc=190\n"
    )
    kind, node, text = found(line)[0]
    assert (kind, node) == ("degraded", "n2")
    assert text == ("monitor of galera: OCF_DEGRADED (the node is outside the primary component (non-Primary) for 0 s)")


def test_lines_that_are_cut_off_or_of_somebody_else_are_passed_over() -> None:
    torn = (
        "key=galera_start_0 rc=0\n"
        "Nov 22 16:21:35 galera(galera)[266] INFO: start: up after 1.5 s\n"
        "\0\0\0Nov 22 16:34:52.376 n1 pacemaker-contr"
    )
    assert found(torn) == []


# -- fencing ---------------------------------------------------------------------------------------------------------

FENCING_DC = """\
Nov 22 16:20:33.604 n1 pacemaker-schedulerd[52] (pe_fence_node) \twarning: Cluster node n3 will be fenced: peer is no longer part of the cluster
Nov 22 16:20:33.788 n1 pacemaker-controld  [53] (controld_execute_fence_action) \tnotice: Requesting fencing (reboot) of node n3 | action=1 timeout=60000
Nov 22 16:20:33.788 n1 pacemaker-fenced    [49] (initiate_remote_stonith_op) \tnotice: Requesting peer fencing (reboot) targeting n3 | id=fef62d8c state=querying base_timeout=60
Nov 22 16:20:33.901 n1 pacemaker-fenced    [49] (request_peer_fencing) \tnotice: Requesting that n1 perform 'reboot' action targeting n3 | for client pacemaker-controld.53 (72s, 0s)
Nov 22 16:20:35.155 n1 pacemaker-fenced    [49] (log_async_result) \tnotice: Operation 'reboot' [3882] targeting n3 using power returned 0 | call 6 from pacemaker-controld.53
Nov 22 16:20:35.160 n1 pacemaker-fenced    [49] (finalize_op) \tnotice: Operation 'reboot' targeting n3 by n1 for pacemaker-controld.53@n1: OK (complete) | id=fef62d8c
"""  # noqa: E501
FENCING_OTHER = """\
Nov 22 16:20:35.164 n2 pacemaker-fenced    [43] (finalize_op) \tnotice: Operation 'reboot' targeting n3 by n1 for pacemaker-controld.53@n1: OK (complete) | id=fef62d8c
"""  # noqa: E501


def test_one_fencing_is_one_event_whoever_tells_of_it() -> None:
    seen = read_events([{PACEMAKER: FENCING_DC}, {PACEMAKER: FENCING_OTHER}], NODES, SINCE)
    assert brief(seen) == [
        ("fencing", "n3", "fencing (reboot) of n3 requested: peer is no longer part of the cluster"),
        ("fenced", "n3", "n3 was fenced (reboot) by n1"),
    ]
    assert seen[1].wall == pytest.approx(at("Nov 22 16:20:35") + 0.160)


def test_a_fencing_that_did_not_succeed_has_failed() -> None:
    line = FENCING_OTHER.replace("by n1 for", "by unknown node for").replace(
        "OK (complete)", "Error occurred (No device)"
    )
    assert found(line) == [
        ("failed", "n3", "fencing (reboot) of n3 by unknown node: Error occurred (No device) [fef62d8c]")
    ]


def test_two_fencings_of_a_node_are_two() -> None:
    later = FENCING_DC.replace("16:20:3", "16:22:3")
    assert [kind for kind, _, _ in found(FENCING_DC + later)] == ["fencing", "fenced", "fencing", "fenced"]


# -- membership ------------------------------------------------------------------------------------------------------

ALONE = """\
Nov 22 16:20:33.608 [17] n3 corosync notice  [QUORUM] This node is within the non-primary component and will NOT provide any services.
Nov 22 16:20:33.608 [17] n3 corosync notice  [QUORUM] Sync members[1]: 3
Nov 22 16:20:33.608 [17] n3 corosync notice  [QUORUM] Sync left[2]: 1 2
Nov 22 16:20:33.608 [17] n3 corosync notice  [TOTEM ] A new membership (3.11) was formed. Members left: 1 2
"""  # noqa: E501
LEFT = """\
Nov 22 16:20:31.{ms} [{pid}] {node} corosync notice  [TOTEM ] A processor failed, forming new configuration: token timed out (1650ms), waiting 1980ms for consensus.
Nov 22 16:20:31.{ms} [{pid}] {node} corosync notice  [QUORUM] Sync members[2]: 1 2
Nov 22 16:20:31.{ms} [{pid}] {node} corosync notice  [QUORUM] Sync left[1]: 3
Nov 22 16:20:31.{ms} [{pid}] {node} corosync notice  [TOTEM ] A new membership (1.11) was formed. Members left: 3
Nov 22 16:20:31.{ms} [{pid}] {node} corosync notice  [TOTEM ] Failed to receive the leave message. failed: 3
"""  # noqa: E501
BACK = """\
Nov 22 16:20:40.232 [17] n3 corosync notice  [MAIN  ] Corosync Cluster Engine 3.1.7 starting up
Nov 22 16:20:40.800 [17] n3 corosync notice  [QUORUM] Sync members[1]: 3
Nov 22 16:20:40.800 [17] n3 corosync notice  [QUORUM] Sync joined[1]: 3
Nov 22 16:20:40.804 [17] n3 corosync notice  [TOTEM ] A new membership (3.16) was formed. Members joined: 3
Nov 22 16:20:48.292 [17] n3 corosync notice  [QUORUM] Sync members[3]: 1 2 3
Nov 22 16:20:48.292 [17] n3 corosync notice  [QUORUM] Sync joined[2]: 1 2
Nov 22 16:20:48.292 [17] n3 corosync notice  [TOTEM ] A new membership (1.1a) was formed. Members joined: 1 2
Nov 22 16:20:48.428 [17] n3 corosync notice  [QUORUM] This node is within the primary component and will provide service.
"""  # noqa: E501
TAKEN_BACK = """\
Nov 22 16:20:48.288 [{pid}] {node} corosync notice  [QUORUM] Sync members[3]: 1 2 3
Nov 22 16:20:48.288 [{pid}] {node} corosync notice  [QUORUM] Sync joined[1]: 3
Nov 22 16:20:48.288 [{pid}] {node} corosync notice  [TOTEM ] A new membership (1.1a) was formed. Members joined: 3
"""


def test_a_node_that_was_cut_off_and_came_back() -> None:
    first = LEFT.format(ms="920", node="n1", pid=23) + TAKEN_BACK.format(node="n1", pid=23)
    second = LEFT.format(ms="921", node="n2", pid=16) + TAKEN_BACK.format(node="n2", pid=16)
    seen = read_events([{COROSYNC: text} for text in (first, second, ALONE + BACK)], NODES, SINCE)
    assert brief(seen) == [
        ("membership-lost", "n3", "n3 left, n1 and n2 remain"),
        ("quorum", "n3", "n3 lost quorum"),
        ("daemon", "n3", "Corosync starts"),
        ("membership-joined", "n3", "n3 joined"),
        ("quorum", "n3", "n3 has quorum"),
    ]
    assert seen[0].wall == pytest.approx(at("Nov 22 16:20:31") + 0.920)


def test_a_node_that_is_alone_says_who_it_is_cut_off_from() -> None:
    assert found(corosync=ALONE)[1] == ("membership-lost", "n3", "n3 is cut off from n1 and n2")


COLD_START = """\
Nov 22 16:20:2{second}.312 [{pid}] {node} corosync notice  [QUORUM] Sync members[3]: 1 2 3
Nov 22 16:20:2{second}.312 [{pid}] {node} corosync notice  [QUORUM] Sync joined[{count}]: {joined}
Nov 22 16:20:2{second}.312 [{pid}] {node} corosync notice  [TOTEM ] A new membership (1.d) was formed. Members joined: {joined}
"""  # noqa: E501


def test_nodes_that_start_together_all_join() -> None:
    texts = [
        {COROSYNC: COLD_START.format(second=4, pid=1, node=node, count=2, joined=joined)}
        for node, joined in (("n1", "2 3"), ("n2", "1 3"), ("n3", "1 2"))
    ]
    assert brief(read_events(texts, NODES, SINCE)) == [
        ("membership-joined", "n1", "n1 joined"),
        ("membership-joined", "n2", "n2 joined"),
        ("membership-joined", "n3", "n3 joined"),
    ]


def test_the_smaller_part_joins_the_larger_one() -> None:
    texts = [
        {COROSYNC: COLD_START.format(second=4, pid=1, node="n1", count=1, joined="2")},
        {COROSYNC: COLD_START.format(second=4, pid=1, node="n2", count=2, joined="1 3")},
    ]
    assert brief(read_events(texts, NODES, SINCE)) == [("membership-joined", "n2", "n2 joined")]


# -- the rest --------------------------------------------------------------------------------------------------------

CONTROLD = "Nov 22 16:33:39.700 n1 pacemaker-controld  [53] ({}) \tinfo: {}\n"
BASED = "Nov 22 16:47:16.816 n2 pacemaker-based     [49] (cib_perform_op) \tinfo: {}\n"
PACEMAKERD = "Nov 22 16:36:52.916 n3 pacemakerd          [34] ({}) \t{}\n"


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (
            CONTROLD.format("do_dc_takeover", "Taking over DC status for this partition"),
            ("dc", "n1", "n1 is the DC"),
        ),
        (
            BASED.format(
                "++ /cib/configuration/crm_config/cluster_property_set[@id='cib-bootstrap-options']:  "
                '<nvpair id="cib-bootstrap-options-maintenance-mode" name="maintenance-mode" value="true"/>'
            ),
            ("maintenance", "", "maintenance-mode is true"),
        ),
        (
            BASED.format(
                "+  /cib/configuration/crm_config/cluster_property_set[@id='cib-bootstrap-options']/"
                "nvpair[@id='cib-bootstrap-options-maintenance-mode']:  @value=false"
            ),
            ("maintenance", "", "maintenance-mode is false"),
        ),
        (
            BASED.format(
                "-- /cib/configuration/crm_config/cluster_property_set[@id='cib-bootstrap-options']/"
                "nvpair[@id='cib-bootstrap-options-maintenance-mode']"
            ),
            ("maintenance", "", "maintenance-mode is taken back"),
        ),
        (
            BASED.format('++                     <nvpair id="nodes-3-standby" name="standby" value="on"/>'),
            ("maintenance", "n3", "standby of n3 is on"),
        ),
        (
            BASED.format('++     <nvpair id="power-meta_attributes-is-managed" name="is-managed" value="false"/>'),
            ("maintenance", "", "is-managed of power is false"),
        ),
        (
            CONTROLD.format(
                "abort_transition_graph",
                "Transition 12 aborted by rsc_location.cli-prefer-galera-clone 'create': Configuration change | cib",
            ),
            ("maintenance", "", "the constraint cli-prefer-galera-clone is set"),
        ),
        (
            CONTROLD.format(
                "abort_transition_graph",
                "Transition 13 aborted by deletion of rsc_location[@id='cli-prefer-galera-clone']: Configuration change"
                " | cib=0.17.0",
            ),
            ("maintenance", "", "the constraint cli-prefer-galera-clone is taken back"),
        ),
        (
            PACEMAKERD.format("pcmk_child_exit", "warning: pacemaker-based[35] terminated with signal 9 (Killed)"),
            ("daemon", "n3", "pacemaker-based terminated with signal 9 (Killed)"),
        ),
        (
            PACEMAKERD.format("pcmk_child_exit", "error: pacemaker-attrd[38] exited with status 102 (Not connected)"),
            ("daemon", "n3", "pacemaker-attrd exited with status 102 (Not connected)"),
        ),
        (
            PACEMAKERD.format("check_next_subdaemon", "error: pacemaker-schedulerd[52] terminated"),
            ("daemon", "n3", "pacemaker-schedulerd terminated"),
        ),
        (
            PACEMAKERD.format(
                "pcmk_process_exit", "notice: Respawning pacemaker-based subdaemon after unexpected exit"
            ),
            ("daemon", "n3", "Respawning pacemaker-based subdaemon"),
        ),
        (
            PACEMAKERD.format(
                "cfg_connection_destroy",
                "warning: Lost connection to cluster layer (connection will be reattempted once per second)",
            ),
            ("daemon", "n3", "Pacemaker lost its Corosync"),
        ),
        (
            PACEMAKERD.format("main", "notice: Starting Pacemaker 2.1.5 | build=a3f44794f94 features:agent-manpages"),
            ("daemon", "n3", "Pacemaker starts"),
        ),
    ],
)
def test_one_line_is_one_event(line: str, event: tuple[str, str, str]) -> None:
    assert found(line) == [event]


@pytest.mark.parametrize(
    "message",
    [
        "Set DC to n1 (3.16.1)",
        "Unset DC (was n1)",
        "Transition 7 aborted by deletion of nvpair[@id='cib-bootstrap-options-have-watchdog']: Configuration change |",
        "Transition 8 aborted by cib-bootstrap-options-last-lrm-refresh doing create last-lrm-refresh=1795365216: "
        "Configuration change | cib=0.13.0",
        "Transition 18 aborted by deletion of lrm[@id='1']: Resource state removal | cib=0.17.79",
    ],
)
def test_what_says_nothing_new_is_no_event(message: str) -> None:
    assert found(CONTROLD.format("somebody", message)) == []


def test_the_same_operation_twice_in_a_second_is_twice() -> None:
    once = Event(10.0, "failed", "n1", "monitor of galera: not running")
    again = Event(10.5, "failed", "n1", "monitor of galera: not running")
    assert merge([again, once]) == [once, again]


def test_a_setting_is_told_once_even_by_a_node_that_was_away() -> None:
    said = [
        Event(10.0, "maintenance", "", "maintenance-mode is true"),
        Event(10.5, "maintenance", "", "maintenance-mode is true"),
        Event(40.0, "maintenance", "", "maintenance-mode is true"),
        Event(50.0, "maintenance", "", "maintenance-mode is taken back"),
        Event(60.0, "maintenance", "", "maintenance-mode is true"),
    ]
    assert [event.wall for event in merge(said)] == [10.0, 50.0, 60.0]
