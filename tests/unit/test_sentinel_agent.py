"""The agent that runs the sentinel."""

from __future__ import annotations

import pytest
from calling import KeptLog, act
from fake_host import FakeHost, FakeProcess

from quorate.agents.sentinel import Sentinel, parse_watch
from quorate.lib.daemon import RUN
from quorate.lib.rc import ERR_CONFIGURED, ERR_GENERIC, ERR_INSTALLED, NOT_RUNNING, SUCCESS, OcfError
from quorate.lib.sentinel.records import FOLDER, SOCKET

BINARY = "/usr/sbin/quorate-sentinel"


@pytest.fixture
def host() -> FakeHost:
    made = FakeHost()
    made.files.put(BINARY, mode=0o755)
    made.behave = lambda process: made.clock.at(0.3, lambda: made.serve(SOCKET, b"pong\n", closes=True))
    return made


def run(host: FakeHost, action: str, log: KeptLog | None = None, **given: str):  # type: ignore[no-untyped-def]
    return act(Sentinel, host, action, given, instance="sentinel", log=log)


def started(host: FakeHost, **given: str) -> FakeProcess:
    assert run(host, "start", **given) == (SUCCESS, "")
    return list(host.processes.values())[-1]


def test_a_whole_life(host: FakeHost) -> None:
    process = started(host)
    assert host.spawned == [[BINARY, "daemon"]]
    assert run(host, "monitor") == (SUCCESS, "")
    assert run(host, "stop") == (SUCCESS, "")
    assert process.gone
    assert run(host, "monitor") == (NOT_RUNNING, "")


def test_the_daemon_is_told_what_it_cannot_know(host: FakeHost) -> None:
    started(host, watch=" haproxy=/run/haproxy.pid  vip=/run/v=ip.pid ", metrics_port="9105")
    assert host.spawned == [
        [BINARY, "daemon", "--watch", "haproxy=/run/haproxy.pid", "--watch", "vip=/run/v=ip.pid", "--metrics", "9105"]
    ]


@pytest.mark.parametrize(
    ("watch", "words"),
    [
        ("haproxy", "must hold RESOURCE=/PID/FILE pairs, not 'haproxy'"),
        ("haproxy=", "must hold RESOURCE=/PID/FILE pairs, not 'haproxy='"),
        ("=/run/x.pid", "must hold RESOURCE=/PID/FILE pairs, not '=/run/x.pid'"),
        ("a=/run/a.pid haproxy=run/x.pid", "must hold RESOURCE=/PID/FILE pairs, not 'haproxy=run/x.pid'"),
        ("haproxy:0=/run/x.pid", "must hold RESOURCE=/PID/FILE pairs, not 'haproxy:0=/run/x.pid'"),
        ("../x=/run/x.pid", "must hold RESOURCE=/PID/FILE pairs, not '../x=/run/x.pid'"),
        ("a=/run/a.pid a=/run/b.pid", "names a twice"),
    ],
)
def test_a_malformed_watch_is_refused_in_one_sentence_before_anything_starts(
    host: FakeHost, watch: str, words: str
) -> None:
    for action in ("start", "validate-all"):
        assert run(host, action, watch=watch) == (ERR_CONFIGURED, f"parameter watch {words}")
    assert host.spawned == []
    with pytest.raises(OcfError):
        parse_watch(watch)


def test_a_malformed_watch_fails_no_stop_and_no_monitor(host: FakeHost) -> None:
    process = started(host)
    assert run(host, "monitor", watch="haproxy") == (SUCCESS, "")
    assert run(host, "stop", watch="haproxy", metrics_port="many") == (SUCCESS, "")
    assert process.gone


def test_no_watch_is_nothing_to_watch() -> None:
    assert parse_watch("") == parse_watch(" ") == {}


def test_the_program_must_be_there(host: FakeHost) -> None:
    del host.files.content[BINARY]
    assert run(host, "start")[0] == ERR_INSTALLED


def test_the_daemon_logs_where_the_cluster_does_unless_told(host: FakeHost) -> None:
    log = KeptLog()
    log.environ = {"PCMK_logfile": "/var/log/pacemaker/pacemaker.log"}
    assert run(host, "start", log=log) == (SUCCESS, "")
    assert list(host.processes.values())[-1].environ["HA_logfile"] == "/var/log/pacemaker/pacemaker.log"


def test_a_log_of_its_own(host: FakeHost) -> None:
    assert act(Sentinel, host, "start", {"log": "/var/log/s.log"}, instance="sentinel") == (SUCCESS, "")
    assert list(host.processes.values())[-1].environ["HA_logfile"] == "/var/log/s.log"


def test_without_any_log_file_none_is_named(host: FakeHost) -> None:
    assert "HA_logfile" not in started(host).environ


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"ping?\n", f"{SOCKET} answers, but not as the sentinel does"),
        (b"", f"{SOCKET} accepted the connection but did not answer within 5.0 s"),
    ],
    ids=["stranger", "hung"],
)
def test_a_daemon_that_does_not_answer_as_it_should_is_failed(host: FakeHost, answer: bytes, words: str) -> None:
    started(host)
    host.serve(SOCKET, *[answer] if answer else [])
    began = host.clock.now
    assert run(host, "monitor") == (ERR_GENERIC, words)
    assert host.clock.now - began < 6


def test_a_daemon_without_its_socket_is_failed(host: FakeHost) -> None:
    started(host)
    host.sockets.clear()
    assert run(host, "monitor") == (ERR_GENERIC, f"{SOCKET}: connection refused")


def test_records_belong_to_the_services(host: FakeHost) -> None:
    host.files.folders |= {RUN, FOLDER}
    for name in ("keystone", "sentinel"):
        host.files.write(f"{FOLDER}/{name}", b"{}")
    before = {path: data for path, data in host.files.content.items() if path.startswith(FOLDER)}
    started(host)
    assert run(host, "monitor") == (SUCCESS, "")
    assert act(Sentinel, host, "monitor", {}, instance="sentinel", probe=True) == (SUCCESS, "")
    assert run(host, "reload-agent", probe_timeout="7s") == (SUCCESS, "")
    assert run(host, "stop") == (SUCCESS, "")
    assert {path: data for path, data in host.files.content.items() if path.startswith(FOLDER)} == before
    assert not Sentinel.watched


def test_it_can_hold_up_nobody_for_long() -> None:
    timeouts = {action.name: action.timeout for action in Sentinel.actions}
    assert timeouts["start"] == timeouts["stop"] == timeouts["monitor"] == 20
    monitors = [action for action in Sentinel.actions if action.name == "monitor"]
    assert [(m.interval, m.watched_interval, m.depth) for m in monitors] == [(10, 10, 0)]
