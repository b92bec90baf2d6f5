"""What Pacemaker did about a resource, read from lines as its controller writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from quorate.lab.actions import Acts, acts, told, troubles
from quorate.lab.events import PACEMAKER, Event, read_events

NODES = ("n1", "n2", "n3")


def at(text: str) -> float:
    return datetime.strptime(f"2026 {text}", "%Y %b %d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()


# As Pacemaker 2.1.5 writes them: controld_execd.c, log_executor_event() and fail_lrm_resource().
RECOVERY = """\
Nov 23 10:00:00.000 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of start operation for keystone on n1: ok | CIB update 40, graph action confirmed; call=30 key=keystone_start_0 rc=0
Nov 23 10:00:05.020 n1 pacemaker-controld  [48] (fail_lrm_resource) \tinfo: Failing resource keystone...
Nov 23 10:00:05.021 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of asyncmon operation for keystone on n1: error (Simulated failure) | CIB update 65, graph action unconfirmed; call=54 key=keystone_asyncmon_0 rc=1
Nov 23 10:00:05.070 n1 pacemaker-controld  [48] (do_lrm_rsc_op) \tnotice: Requesting local execution of stop operation for keystone on n1 | transition_key=3:11:0:ed684378-3319-40da-8b29-5f4683555cd4 op_key=keystone_stop_0
Nov 23 10:00:05.170 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of stop operation for keystone on n1: ok | CIB update 67, graph action confirmed; call=55 key=keystone_stop_0 rc=0
Nov 23 10:00:05.200 n1 pacemaker-controld  [48] (do_lrm_rsc_op) \tnotice: Requesting local execution of start operation for keystone on n1 | transition_key=32:11:0:ed684378-3319-40da-8b29-5f4683555cd4 op_key=keystone_start_0
Nov 23 10:00:08.400 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of start operation for keystone on n1: ok | CIB update 69, graph action confirmed; call=56 key=keystone_start_0 rc=0
"""  # noqa: E501
PROMOTABLE = """\
Nov 23 10:00:12.000 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of monitor operation for galera on n1: not running | CIB update 65, graph action unconfirmed; call=25 key=galera_monitor_10000 rc=7
Nov 23 10:00:12.100 n1 pacemaker-controld  [48] (do_lrm_rsc_op) \tnotice: Requesting local execution of notify operation for galera on n1 | transition_key=2:11:0:ed684378 op_key=galera_notify_0
Nov 23 10:00:12.200 n1 pacemaker-controld  [48] (do_lrm_rsc_op) \tnotice: Requesting local execution of demote operation for galera on n1 | transition_key=3:11:0:ed684378 op_key=galera_demote_0
Nov 23 10:00:13.000 n1 pacemaker-controld  [48] (do_lrm_rsc_op) \tnotice: Requesting local execution of start operation for galera on n1 | transition_key=4:11:0:ed684378 op_key=galera_start_0
Nov 23 10:00:14.000 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of start operation for galera on n1: ok | CIB update 69, graph action confirmed; call=56 key=galera_start_0 rc=0
Nov 23 10:00:15.000 n1 pacemaker-controld  [48] (do_lrm_rsc_op) \tnotice: Requesting local execution of promote operation for galera on n1 | transition_key=5:12:0:ed684378 op_key=galera_promote_0
"""  # noqa: E501
PROMOTED = """\
Nov 23 10:00:29.500 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of promote operation for galera on n1: ok | CIB update 71, graph action confirmed; call=58 key=galera_promote_0 rc=0
"""  # noqa: E501
SENT = at("Nov 23 10:00:05.000")


def read(text: str) -> list[Event]:
    return read_events([{PACEMAKER: text}], NODES, SENT)


def test_a_recovery_that_pacemaker_was_told_to_begin() -> None:
    seen = acts(read(RECOVERY), "keystone", "n1", SENT)
    assert seen.told == pytest.approx(SENT + 0.021)
    assert seen.begun == pytest.approx(SENT + 0.070)
    assert seen.up == pytest.approx(SENT + 3.4)


def test_a_recovery_that_a_monitor_began_and_that_ends_with_the_promotion() -> None:
    """The notification before is none of it, and what was only started is not yet up."""
    half = acts(read(PROMOTABLE), "galera", "n1", SENT)
    assert (half.told, half.up) == (None, None)
    assert half.begun == pytest.approx(SENT + 7.2)
    assert acts(read(PROMOTABLE + PROMOTED), "galera", "n1", SENT).up == pytest.approx(SENT + 24.5)


def test_another_resource_another_node_and_what_was_before_do_not_count() -> None:
    events = read(RECOVERY)
    assert acts(events, "nova-api", "n1", SENT) == Acts()
    assert acts(events, "key", "n1", SENT) == Acts()
    assert acts(events, "keystone", "n2", SENT) == Acts()
    assert acts(events, "keystone", "n1", SENT + 5) == Acts()


def test_an_action_of_the_same_millisecond_as_the_signal_counts() -> None:
    """The log cuts microseconds off."""
    assert acts([Event(SENT, "stop", "n1", "stop of galera")], "galera", "n1", SENT + 0.0007).begun == SENT


def test_an_instance_with_a_number_is_the_same_resource() -> None:
    events = [Event(SENT, "stop", "n1", "stop of web:1"), Event(SENT + 2, "started", "n1", "web:1")]
    assert acts(events, "web", "n1", SENT) == Acts(None, SENT, SENT + 2)


def test_what_pacemaker_was_told_is_apart_from_what_its_monitors_found() -> None:
    late = (
        "Nov 23 10:00:40.000 n2 pacemaker-controld  [48] (log_executor_event) \terror: Result of monitor operation for "
        "sentinel on n2: Timed Out after 20s (Resource agent did not complete within 20s) | CIB update 9, graph action "
        "unconfirmed; call=7 key=sentinel_monitor_10000\n"
    )
    events = read(RECOVERY + PROMOTABLE + late)
    assert [(one.node, one.text) for one in told(events)] == [("n1", "asyncmon of keystone: error (Simulated failure)")]
    assert [one.text for one in troubles(events, ["sentinel"])] == ["monitor of galera: not running"]
    assert [one.node for one in troubles(events)] == ["n1", "n2"]


def test_a_fenced_node_is_trouble() -> None:
    event = Event(SENT, "fenced", "n3", "n3 was fenced (reboot) by n1")
    assert troubles([event]) == [event]
    assert told([event]) == []
