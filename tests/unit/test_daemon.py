"""Start, stop and monitor of a daemon agent on the fake machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from calling import KeptLog, Service, act
from fake_host import HTTP_OK, SIGSTOP, SIGTERM, FakeHost, FakeProcess

from quorate.lib.daemon import LOGS, RUN
from quorate.lib.process import TAG
from quorate.lib.rc import ERR_CONFIGURED, ERR_GENERIC, ERR_INSTALLED, NOT_RUNNING, SUCCESS

PORT = ("127.0.0.1", 8080)
RECORD = f"{RUN}/r1.pid"


@pytest.fixture
def host() -> FakeHost:
    """A machine where the service is installed and would answer half a second after its start."""
    made = FakeHost()
    made.files.put("/usr/bin/served", mode=0o755)
    made.behave = lambda process: made.clock.at(0.5, lambda: made.serve(PORT, HTTP_OK))
    return made


def started(host: FakeHost) -> FakeProcess:
    assert act(Service, host, "start") == (SUCCESS, "")
    return list(host.processes.values())[-1]


# --- start


def test_start_returns_when_the_service_answers(host: FakeHost) -> None:
    began = host.clock.now
    process = started(host)
    assert host.spawned == [["/usr/bin/served", "--serve"]]
    assert 0.5 <= host.clock.now - began < 1
    assert host.files.content[RECORD] == f"{process.pid} {process.start}\n".encode()
    assert process.environ[TAG] == "r1"
    assert {RUN, LOGS} <= host.files.folders


def test_start_of_a_running_service_starts_nothing(host: FakeHost) -> None:
    started(host)
    assert act(Service, host, "start") == (SUCCESS, "")
    assert len(host.spawned) == 1


def test_start_ends_what_an_earlier_instance_left(host: FakeHost) -> None:
    orphan = host.add("served", {TAG: "r1"})
    log = KeptLog()
    assert act(Service, host, "start", log=log) == (SUCCESS, "")
    assert orphan.signals[0] == SIGTERM
    assert any("ending what an earlier instance left: served" in line for line in log.lines)


def test_a_stranger_on_the_port_is_named_before_anything_is_spawned(host: FakeHost) -> None:
    host.serve(PORT, HTTP_OK)
    rc, reason = act(Service, host, "start")
    assert rc == ERR_GENERIC
    assert reason == "port 8080 on 127.0.0.1 is already served by a process that is not this resource's"
    assert host.spawned == []
    assert RECORD not in host.files.content


def dies(host: FakeHost, status: int) -> Callable[[FakeProcess], object]:
    def behave(process: FakeProcess) -> None:
        host.files.put(f"{LOGS}/r1.out", "one\ntwo\nthree\ncannot bind\n")
        host.files.put("/var/log/served.log", "own log's last line\n")
        host.clock.at(0.3, lambda: process.end(status))

    return behave


@pytest.mark.parametrize(("status", "words"), [(3, "with status 3"), (-11, "on signal 11"), (0, "with status 0")])
def test_a_start_that_dies_says_how_and_its_last_words(host: FakeHost, status: int, words: str) -> None:
    host.behave = dies(host, status)
    began = host.clock.now
    log = KeptLog()
    rc, reason = act(Service, host, "start", log=log)
    assert rc == ERR_GENERIC
    assert reason == f"the service ended while starting {words}; last log line: own log's last line"
    # crm_mon shows the beginning of a reason; the log has more.
    assert any("cannot bind\nown log's last line" in line for line in log.lines)
    assert host.clock.now - began < 2


def test_a_start_that_never_answers_says_what_was_awaited_and_seen(host: FakeHost) -> None:
    host.behave = lambda process: host.files.put(f"{LOGS}/r1.out", "still loading\n")
    began = host.clock.now
    rc, reason = act(Service, host, "start", timeout=50)
    assert rc == ERR_GENERIC
    assert reason == ("waited 47 s for an answer, but 127.0.0.1:8080: connection refused; last log line: still loading")
    assert 47 <= host.clock.now - began < 50


def test_a_start_that_hangs_ends_before_pacemaker_s_timer(host: FakeHost) -> None:
    host.behave = lambda process: host.clock.at(0.1, lambda: host.serve(PORT))
    began = host.clock.now
    rc, reason = act(Service, host, "start", timeout=20)
    assert rc == ERR_GENERIC
    assert "accepted the connection but did not answer" in reason
    assert host.clock.now - began < 20


def test_a_start_whose_service_answers_500_waits(host: FakeHost) -> None:
    host.behave = lambda process: host.serve(PORT, b"HTTP/1.0 503 Busy\r\n\r\n")
    host.clock.at(5, lambda: host.serve(PORT, HTTP_OK))
    began = host.clock.now
    assert act(Service, host, "start") == (SUCCESS, "")
    assert 5 <= host.clock.now - began < 6


def test_start_without_the_binary(host: FakeHost) -> None:
    del host.files.content["/usr/bin/served"]
    assert act(Service, host, "start") == (
        ERR_INSTALLED,
        "/usr/bin/served is not installed on this host (parameter binary)",
    )


def test_start_without_the_user(host: FakeHost) -> None:
    class Unknown(Service):
        user = "nobody-here"

    assert act(Unknown, host, "start") == (ERR_INSTALLED, "there is no user nobody-here on this host")


# --- stop


def test_stop_ends_the_service_and_forgets_it(host: FakeHost) -> None:
    process = started(host)
    assert act(Service, host, "stop") == (SUCCESS, "")
    assert process.gone
    assert RECORD not in host.files.content
    assert act(Service, host, "stop") == (SUCCESS, "")
    assert act(Service, host, "monitor", probe=True) == (NOT_RUNNING, "")


@pytest.mark.parametrize(
    "given",
    [{}, {"port": "http", "probe_timeout": "soon"}, {"binary": "/no/such", "port": "0"}, {"owner": ""}],
    ids=["none", "invalid", "wrong", "empty"],
)
def test_stop_needs_no_binary_and_no_good_parameter(host: FakeHost, given: dict[str, str]) -> None:
    process = started(host)
    del host.files.content["/usr/bin/served"]
    assert act(Service, host, "stop", given) == (SUCCESS, "")
    assert process.gone


def test_stop_of_what_ignores_term_kills_in_time(host: FakeHost) -> None:
    process = started(host)
    process.ignores = {SIGTERM}
    began = host.clock.now
    assert act(Service, host, "stop", timeout=10) == (SUCCESS, "")
    assert process.gone
    assert 6 < host.clock.now - began < 9.2


def test_stop_of_a_stopped_process(host: FakeHost) -> None:
    process = started(host)
    process.signalled(SIGSTOP)
    began = host.clock.now
    assert act(Service, host, "stop") == (SUCCESS, "")
    assert host.clock.now - began < 1


def test_stop_that_cannot_prove_the_end_fails(host: FakeHost) -> None:
    process = started(host)
    process.signalled = lambda signal: None  # type: ignore[method-assign]
    rc, reason = act(Service, host, "stop", timeout=10)
    assert rc == ERR_GENERIC
    assert reason == f"served (pid {process.pid}) outlived SIGKILL"
    # The record stays: the next stop must still know what to look for.
    assert RECORD in host.files.content


def test_stop_after_the_record_was_lost(host: FakeHost) -> None:
    process = started(host)
    del host.files.content[RECORD]
    assert act(Service, host, "stop") == (SUCCESS, "")
    assert process.gone


def test_stop_leaves_other_instances_alone(host: FakeHost) -> None:
    other = host.add("served", {TAG: "r2"})
    started(host)
    assert act(Service, host, "stop") == (SUCCESS, "")
    assert other.signals == []


def test_a_reused_pid_is_not_stopped(host: FakeHost) -> None:
    # see test_process.py.
    process = started(host)
    process.end(-9)
    stranger = host.add("sshd", pid=process.pid, start=process.start + 500)
    assert act(Service, host, "stop") == (SUCCESS, "")
    assert stranger.signals == []


# --- monitor


def test_monitor_of_a_good_service(host: FakeHost) -> None:
    started(host)
    host.connections.clear()
    assert act(Service, host, "monitor") == (SUCCESS, "")
    assert host.connections == [PORT]


def test_monitor_without_a_record_or_a_process(host: FakeHost) -> None:
    assert act(Service, host, "monitor") == (NOT_RUNNING, "")
    assert host.connections == []


@pytest.mark.parametrize("garbage", ["", "x", "1", "99999 1", "1 2 3"])
def test_monitor_with_a_garbage_record(host: FakeHost, garbage: str) -> None:
    host.files.folders.add(RUN)
    host.files.put(RECORD, garbage)
    assert act(Service, host, "monitor") == (NOT_RUNNING, "")


def test_monitor_does_not_take_a_reused_pid_for_ours(host: FakeHost) -> None:
    # see test_process.py.
    process = started(host)
    process.end(-9)
    host.add("sshd", pid=process.pid, start=process.start + 500)
    assert act(Service, host, "monitor") == (NOT_RUNNING, "")


def test_monitor_with_the_main_process_gone_and_workers_left(host: FakeHost) -> None:
    process = started(host)
    worker = host.add("worker", {TAG: "r1"}, session=process.pid)
    process.end(-9)
    rc, reason = act(Service, host, "monitor")
    assert (rc, reason) == (ERR_GENERIC, f"the main process is gone, but worker (pid {worker.pid}) is left")


def test_helpers_alone_are_not_the_service(host: FakeHost) -> None:
    process = started(host)
    helper = host.add("helperd", {TAG: "r1"})
    process.end(-9)
    assert act(Service, host, "monitor") == (NOT_RUNNING, "")
    assert act(Service, host, "stop") == (SUCCESS, "")
    assert helper.gone


def test_monitor_of_a_stopped_process_asks_nothing(host: FakeHost) -> None:
    process = started(host)
    process.signalled(SIGSTOP)
    host.connections.clear()
    rc, reason = act(Service, host, "monitor")
    assert (rc, reason) == (ERR_GENERIC, f"served (pid {process.pid}) is held stopped by a signal")
    assert host.connections == []


def test_monitor_of_a_hung_service(host: FakeHost) -> None:
    started(host)
    host.serve(PORT)
    began = host.clock.now
    rc, reason = act(Service, host, "monitor")
    assert rc == ERR_GENERIC
    assert reason == "127.0.0.1:8080 accepted the connection but did not answer within 2.0 s"
    assert host.clock.now - began == pytest.approx(2, abs=0.1)


def test_a_probe_s_patience_never_outlives_the_action(host: FakeHost) -> None:
    started(host)
    host.serve(PORT)
    began = host.clock.now
    assert act(Service, host, "monitor", {"owner": "me", "probe_timeout": "60s"}, timeout=10)[0] == ERR_GENERIC
    assert host.clock.now - began < 10


def test_monitor_of_a_service_that_listens_no_more(host: FakeHost) -> None:
    started(host)
    host.sockets.clear()
    assert act(Service, host, "monitor") == (ERR_GENERIC, "127.0.0.1:8080: connection refused")


def test_a_service_whose_record_was_lost_is_taken_up_again(host: FakeHost) -> None:
    process = started(host)
    worker = host.add("worker", {TAG: "r1"}, session=process.pid)
    del host.files.content[RECORD]
    assert act(Service, host, "monitor") == (SUCCESS, "")
    assert host.files.content[RECORD] == f"{process.pid} {process.start}\n".encode()
    assert act(Service, host, "stop") == (SUCCESS, "")
    assert worker.gone


def test_the_oldest_leader_is_taken_up_not_a_helper_of_it(host: FakeHost) -> None:
    # /proc is listed in no order that says who started whom.
    child = host.add("child", {TAG: "r1"}, pid=50, start=9000)
    main = host.add("served", {TAG: "r1"}, pid=60, start=1000)
    host.serve(PORT, HTTP_OK)
    assert act(Service, host, "monitor") == (SUCCESS, "")
    assert host.files.content[RECORD] == f"{main.pid} {main.start}\n".encode(), f"took up pid {child.pid}"


def test_a_bad_parameter_fails_a_recurring_monitor_but_no_probe(host: FakeHost) -> None:
    assert act(Service, host, "monitor", {}, probe=True) == (NOT_RUNNING, "")
    assert act(Service, host, "monitor", {})[0] == ERR_CONFIGURED
