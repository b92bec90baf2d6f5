"""What a daemon agent tells the sentinel, when, and that nothing about it can hurt an action."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence

import pytest
from calling import KeptLog, Service, act, context
from fake_host import HTTP_OK, SIGTERM, FakeFiles, FakeHost, FakeProcess, FakeSocket

from quorate.agents.dashboard import Dashboard
from quorate.agents.keystone import Keystone
from quorate.agents.nova_api import NovaApi
from quorate.agents.rabbitmq import RabbitMQ
from quorate.lib.daemon import RUN
from quorate.lib.deadline import Deadline
from quorate.lib.declare import Action
from quorate.lib.dispatch import call
from quorate.lib.params import Params
from quorate.lib.probe import ProbeError
from quorate.lib.rc import DEGRADED, ERR_GENERIC, NOT_RUNNING, SUCCESS, OcfError
from quorate.lib.sentinel import records

PORT = ("127.0.0.1", 8080)
PATH = f"{RUN}/sentinel/r1"
SOCKET = f"{RUN}/sentinel.sock"


class Reloading(Service):
    """With an action that applies changed parameters."""

    actions = (*Service.actions, Action("reload-agent", 5))


class Told:
    """A sentinel that notes what it is told and whether there was a record; *happen* is called before it answers."""

    def __init__(self, host: FakeHost, happen: Callable[[str], object] = lambda said: None) -> None:
        self.said: list[str] = []
        self.records: list[bool] = []
        host.sockets[SOCKET] = lambda: _Ear(host, self, happen)


class _Ear(FakeSocket):
    def __init__(self, host: FakeHost, told: Told, happen: Callable[[str], object]) -> None:
        super().__init__(host.clock, [b"ok\n"], closes=True)
        self._host, self._told, self._happen = host, told, happen

    def sendall(self, data: bytes, /) -> None:
        self._told.said.append(data.decode())
        self._told.records.append(PATH in self._host.files.content)
        self._happen(data.decode())
        super().sendall(data)


@pytest.fixture
def host() -> FakeHost:
    made = FakeHost()
    made.files.put("/usr/bin/served", mode=0o755)
    made.behave = lambda process: made.clock.at(0.5, lambda: made.serve(PORT, HTTP_OK))
    return made


def started(host: FakeHost, agent: type[Service] = Service, **given: str) -> FakeProcess:
    assert act(agent, host, "start", {"owner": "me", **given}) == (SUCCESS, "")
    return list(host.processes.values())[-1]


def record(host: FakeHost, path: str = PATH) -> records.Watched:
    return records.Watched.decode(host.files.content[path], path.rpartition("/")[2])


def test_the_paths_are_those_that_the_sentinel_reads() -> None:
    assert (f"{RUN}/sentinel", SOCKET) == (records.FOLDER, records.SOCKET)


# --- register


def test_a_start_that_succeeds_registers_the_main_process_and_what_was_given(host: FakeHost) -> None:
    told = Told(host)
    process = started(host, probe_timeout="3s")
    found = record(host)
    assert (found.instance, found.agent, found.pid, found.start) == ("r1", "service", process.pid, process.start)
    # What was given, not the defaults: those are the agent's own.
    assert found.parameters == {"owner": "me", "probe_timeout": "3s"}
    assert host.files.modes[PATH] == 0o600
    assert f"{RUN}/sentinel" in host.files.folders
    assert told.said == ["forget r1\n", "watch r1\n"]
    assert told.records == [False, True]


def test_the_record_is_one_json_object_that_says_its_version(host: FakeHost) -> None:
    process = started(host)
    assert json.loads(host.files.content[PATH]) == {
        "version": 1,
        "instance": "r1",
        "agent": "service",
        "pid": process.pid,
        "start": process.start,
        "parameters": {"owner": "me"},
    }


def test_pacemakers_own_variables_are_no_parameters(host: FakeHost) -> None:
    environ = {
        "OCF_RESKEY_owner": "me",
        "OCF_RESKEY_port": "8080",
        "OCF_RESKEY_crm_feature_set": "3.16.2",
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_CRM_meta_clone": "0",
        "OCF_RESOURCE_INSTANCE": "r1:0",
    }
    assert call(Service, "start", environ, host) == (SUCCESS, "")
    assert record(host).parameters == {"owner": "me", "port": "8080"}


def test_an_instance_of_a_clone_is_known_by_the_primitives_id(host: FakeHost) -> None:
    told = Told(host)
    assert call(Service, "start", {"OCF_RESKEY_owner": "me", "OCF_RESOURCE_INSTANCE": "a:0"}, host) == (SUCCESS, "")
    assert record(host, f"{RUN}/sentinel/a").instance == "a"
    assert call(Service, "stop", {"OCF_RESOURCE_INSTANCE": "a:0"}, host) == (SUCCESS, "")
    assert told.said == ["forget a\n", "watch a\n", "forget a\n"]
    assert f"{RUN}/sentinel/a" not in host.files.content


def test_a_start_registers_only_when_the_service_answers(host: FakeHost) -> None:
    told = Told(host)
    host.behave = lambda process: host.clock.at(0.3, lambda: process.end(3))
    assert act(Service, host, "start")[0] == ERR_GENERIC
    assert PATH not in host.files.content
    assert told.said == ["forget r1\n"]


def test_a_start_forgets_first_what_an_earlier_instance_left(host: FakeHost) -> None:
    host.files.folders |= {RUN, f"{RUN}/sentinel"}
    host.files.write(PATH, records.Watched("r1", "service", 7, 70, {}).encode())
    orphan = host.add("served", {"QUORATE_INSTANCE": "r1"})
    seen: list[tuple[str, list[int]]] = []
    told = Told(host, lambda said: seen.append((said, list(orphan.signals))))
    process = started(host)
    assert seen[0] == ("forget r1\n", [])
    assert told.records[0] is False
    assert orphan.signals[0] == SIGTERM
    assert record(host).pid == process.pid


def test_a_start_of_a_running_service_registers_it_again(host: FakeHost) -> None:
    process = started(host)
    del host.files.content[PATH]
    told = Told(host)
    assert act(Service, host, "start") == (SUCCESS, "")
    assert record(host).pid == process.pid
    assert told.said == ["forget r1\n", "watch r1\n"]


def test_a_probe_that_finds_the_service_registers_it(host: FakeHost) -> None:
    process = started(host)
    told = Told(host)
    # Also over a record that is there: whoever probes does not trust what was before.
    assert act(Service, host, "monitor", probe=True) == (SUCCESS, "")
    del host.files.content[PATH]
    assert act(Service, host, "monitor", probe=True) == (SUCCESS, "")
    assert record(host).pid == process.pid
    assert told.said == ["watch r1\n"] * 2


def test_a_probe_that_finds_nothing_registers_nothing(host: FakeHost) -> None:
    told = Told(host)
    assert act(Service, host, "monitor", probe=True) == (NOT_RUNNING, "")
    assert told.said == []
    assert PATH not in host.files.content


def test_a_probe_registers_no_value_that_cannot_be_used(host: FakeHost) -> None:
    # A probe falls back to the defaults; so must who asks the same service later.
    started(host)
    assert act(Service, host, "monitor", {"probe_timeout": "soon", "port": "8080"}, probe=True) == (SUCCESS, "")
    assert record(host).parameters == {"port": "8080"}


@pytest.mark.parametrize("depth", [0, 10])
def test_a_monitor_registers_a_running_service_that_has_no_record(host: FakeHost, depth: int) -> None:
    process = started(host)
    del host.files.content[PATH]
    told = Told(host)
    assert act(Service, host, "monitor", depth=depth) == (SUCCESS, "")
    assert record(host).pid == process.pid
    assert told.said == ["watch r1\n"]


def test_a_monitor_with_a_record_there_does_nothing_but_look_for_it(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(host)
    told = Told(host)
    host.connections.clear()
    looked: list[str] = []
    exists = host.files.exists
    monkeypatch.setattr(host.files, "exists", lambda path: looked.append(path) or exists(path))
    monkeypatch.setattr(host.files, "write", None)
    monkeypatch.setattr(host.files, "make_dir", None)
    assert act(Service, host, "monitor") == (SUCCESS, "")
    assert looked == [PATH]
    assert host.connections == [PORT]
    assert told.said == []


def test_a_monitor_of_a_failed_service_registers_nothing(host: FakeHost) -> None:
    process = started(host)
    del host.files.content[PATH]
    host.sockets.clear()
    told = Told(host)
    assert act(Service, host, "monitor")[0] == ERR_GENERIC
    process.end(-9)
    assert act(Service, host, "monitor") == (NOT_RUNNING, "")
    assert told.said == []
    assert PATH not in host.files.content


def test_a_vanished_run_folder_is_made_again_by_the_next_monitor(host: FakeHost) -> None:
    process = started(host)
    for path in [p for p in host.files.content if p.startswith(f"{RUN}/")]:
        del host.files.content[path]
    host.files.folders -= {RUN, f"{RUN}/sentinel"}
    assert act(Service, host, "monitor") == (SUCCESS, "")
    assert record(host).pid == process.pid
    assert {RUN, f"{RUN}/sentinel"} <= host.files.folders


def test_a_reload_writes_the_new_parameters(host: FakeHost) -> None:
    process = started(host, Reloading)
    told = Told(host)
    assert act(Reloading, host, "reload-agent", {"owner": "me", "probe_timeout": "9s"}) == (SUCCESS, "")
    assert record(host).parameters == {"owner": "me", "probe_timeout": "9s"}
    assert record(host).pid == process.pid
    assert told.said == ["watch r1\n"]


def test_a_reload_that_fails_leaves_the_record_as_it_was(host: FakeHost) -> None:
    class Stubborn(Reloading):
        def reload(self) -> None:
            raise OcfError(ERR_GENERIC, "no")

    started(host, Stubborn)
    before = host.files.content[PATH]
    assert act(Stubborn, host, "reload-agent", {"owner": "me", "port": "8081"})[0] == ERR_GENERIC
    assert host.files.content[PATH] == before


def test_a_reload_of_an_agent_that_has_its_own_way_is_told_too() -> None:
    # RabbitMQ sets its policy and calls no parent.
    assert RabbitMQ.reloaded is Service.reloaded


def test_a_reload_of_what_was_stopped_registers_nothing(host: FakeHost) -> None:
    started(host, Reloading)
    assert act(Reloading, host, "stop") == (SUCCESS, "")
    act(Reloading, host, "reload-agent")
    assert PATH not in host.files.content


# --- withdraw


def test_a_stop_withdraws_before_the_first_signal_and_before_anything_else(host: FakeHost) -> None:
    order: list[str] = []

    class Ordered(Service):
        def before_stop(self) -> None:
            order.append("before_stop")

    process = started(host)
    signalled = process.signalled
    process.signalled = lambda signal: (order.append(f"signal {signal}"), signalled(signal))  # type: ignore[method-assign]
    told = Told(host, lambda said: order.append(said.strip()))
    assert act(Ordered, host, "stop") == (SUCCESS, "")
    assert order[:3] == ["forget r1", "before_stop", f"signal {SIGTERM}"]
    assert told.records == [False]
    assert PATH not in host.files.content


def test_a_stop_that_fails_stays_withdrawn(host: FakeHost) -> None:
    process = started(host)
    process.signalled = lambda signal: None  # type: ignore[method-assign]
    assert act(Service, host, "stop")[0] == ERR_GENERIC
    assert PATH not in host.files.content


def test_a_stop_where_nothing_ever_was(host: FakeHost) -> None:
    log = KeptLog()
    assert act(Service, host, "stop", log=log) == (SUCCESS, "")
    assert log.lines == []


# --- nothing of it hurts


def refused(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("what", ["write", "make_dir"])
def test_a_full_disk_costs_a_line_of_the_log_and_no_action(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    process = started(host)
    told = Told(host)
    real: Callable[..., None] = getattr(host.files, what)

    def full(path: str, *rest: object) -> None:
        if "/sentinel" in path:
            refused()
        real(path, *rest)

    monkeypatch.setattr(host.files, what, full)
    for action, probe in (("start", False), ("monitor", True), ("monitor", False), ("reload-agent", False)):
        host.files.content.pop(PATH, None)
        log = KeptLog()
        assert act(Reloading, host, action, probe=probe, log=log) == (SUCCESS, ""), action
        lines = [line for line in log.lines if "sentinel" in line]
        said = f"WARNING: {action}: the sentinel will not watch r1: [Errno 28] No space left on device"
        # The recurring monitor tries again, and again; what was said once is enough.
        assert lines == ([] if action == "monitor" and not probe else [said]), action
    # It was told of nothing that is not there to be read.
    assert told.said == ["forget r1\n"]
    assert not process.gone


@pytest.mark.parametrize("error", [PermissionError(13, "no"), IsADirectoryError(21, "a folder"), RuntimeError("odd")])
def test_a_record_that_cannot_be_removed_fails_no_stop(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    started(host)
    told = Told(host)
    remove = host.files.remove

    def broken(path: str) -> None:
        if path == PATH:
            raise error
        remove(path)

    monkeypatch.setattr(host.files, "remove", broken)
    log = KeptLog()
    assert act(Service, host, "stop", log=log) == (SUCCESS, "")
    # The daemon is told all the same: what it knows in memory is what it reports.
    assert told.said == ["forget r1\n"]
    assert len([line for line in log.lines if "the sentinel's record stays" in line]) == 1


def test_an_absent_daemon_is_not_mentioned(host: FakeHost) -> None:
    log = KeptLog()
    assert act(Service, host, "start", log=log) == (SUCCESS, "")
    assert act(Service, host, "stop", log=log) == (SUCCESS, "")
    assert not [line for line in log.lines if "sentinel" in line]
    assert host.connections.count(SOCKET) == 3


@pytest.mark.parametrize("answers", [(), (b"error: what?\n",), (b"",)], ids=["hung", "refuses", "closes"])
def test_a_daemon_that_does_not_do_as_told_costs_half_a_second(host: FakeHost, answers: Sequence[bytes]) -> None:
    process = started(host)
    host.sockets[SOCKET] = lambda: FakeSocket(host.clock, answers, closes=answers == (b"",))
    began = host.clock.now
    log = KeptLog()
    host.files.content.pop(PATH)
    assert act(Service, host, "monitor", log=log) == (SUCCESS, "")
    assert host.clock.now - began <= 0.5
    assert PATH in host.files.content
    assert act(Service, host, "stop", log=log) == (SUCCESS, "")
    assert process.gone
    assert host.clock.now - began < 2
    assert not [line for line in log.lines if "sentinel" in line]


def test_a_daemon_that_is_cut_off_in_the_middle(host: FakeHost) -> None:
    class Broken(FakeSocket):
        def sendall(self, data: bytes, /) -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    host.sockets[SOCKET] = lambda: Broken(host.clock, [])
    started(host)
    assert act(Service, host, "stop") == (SUCCESS, "")


def test_an_agent_that_is_not_watched_tells_nobody_anything(host: FakeHost) -> None:
    class Alone(Reloading):
        watched = False

    told = Told(host)
    started(host, Alone)
    for action, probe in (("monitor", False), ("monitor", True), ("reload-agent", False), ("start", False)):
        assert act(Alone, host, action, probe=probe) == (SUCCESS, "")
    assert act(Alone, host, "stop") == (SUCCESS, "")
    assert told.said == []
    assert f"{RUN}/sentinel" not in host.files.folders


# --- the glance


def glance(agent: type[Service], host: FakeHost, seconds: float = 1.0) -> str:
    called = context(host, "monitor")
    return agent(called, Params(agent.parameters, {"owner": "me"})).glance(Deadline(host.clock, seconds))


def test_a_glance_at_a_good_service_sees_nothing_wrong(host: FakeHost) -> None:
    host.serve(PORT, HTTP_OK)
    assert glance(Service, host) == ""
    assert host.connections == [PORT]


def test_most_glances_at_a_service_that_logs_each_exchange_only_knock(host: FakeHost) -> None:
    class Talkative(Service):
        exchange_every = 5

    asked: list[FakeSocket] = []

    def serve(*answers: bytes) -> None:
        host.serve(PORT, *answers)
        made = host.sockets[PORT]
        host.sockets[PORT] = lambda: asked.append(made()) or asked[-1]

    def exchanges() -> int:
        return sum(bool(each.sent) for each in asked)

    agent = Talkative(context(host, action="monitor"), Params(Talkative.parameters, {}, lenient=True))
    serve(HTTP_OK)
    for _ in range(11):
        assert agent.glance(Deadline(host.clock, 1.0)) == ""
    assert len(asked) == 11
    assert exchanges() == 3
    # What is wrong is found by the next whole exchange, and from then on each look is one.
    serve(b"HTTP/1.0 503 Busy\r\n\r\n")
    seen = [agent.glance(Deadline(host.clock, 1.0)) for _ in range(7)]
    assert seen == [""] * 4 + ["answers with HTTP status 503"] * 3
    serve(HTTP_OK)
    before = exchanges()
    assert agent.glance(Deadline(host.clock, 1.0)) == ""
    assert exchanges() == before + 1
    # One that is refused needs no exchange to be wrong.
    agent.glance(Deadline(host.clock, 1.0))
    del host.sockets[PORT]
    assert agent.glance(Deadline(host.clock, 1.0)) == "127.0.0.1:8080: connection refused"


def test_a_glance_says_what_is_wrong(host: FakeHost) -> None:
    assert glance(Service, host) == "127.0.0.1:8080: connection refused"
    host.serve(PORT, b"HTTP/1.0 503 Busy\r\n\r\n")
    assert glance(Service, host) == "answers with HTTP status 503"


def test_what_this_machine_lacks_is_no_fault_of_the_service(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(address: object, timeout: float) -> FakeSocket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(host, "connect", none_left)
    with pytest.raises(OcfError, match="cannot be asked: too many open files"):
        glance(Service, host)


def test_a_glance_ends_at_its_deadline(host: FakeHost) -> None:
    host.serve(PORT)
    began = host.clock.now
    assert glance(Service, host) == "127.0.0.1:8080 accepted the connection but did not answer within 1.0 s"
    assert host.clock.now - began == pytest.approx(1, abs=0.05)


def test_all_but_a_refusal_is_left_to_the_monitor_where_a_backend_may_excuse_it(host: FakeHost) -> None:
    class Excused(Service):
        backend_excused = True

    host.serve(PORT)
    assert glance(Excused, host) == ""
    host.serve(PORT, b"HTTP/1.0 503 Busy\r\n\r\n")
    assert glance(Excused, host) == ""
    del host.sockets[PORT]
    assert glance(Excused, host) == "127.0.0.1:8080: connection refused"
    assert Keystone.backend_excused
    assert NovaApi.backend_excused
    assert Dashboard.backend_excused
    assert not RabbitMQ.backend_excused


def test_a_degraded_service_has_nothing_for_the_sentinel(host: FakeHost) -> None:
    class Degraded(Service):
        def diagnose(self, error: ProbeError) -> OcfError:
            return OcfError(DEGRADED, f"{error.seen}, and the database is gone")

    host.serve(PORT, b"HTTP/1.0 500 Oops\r\n\r\n")
    assert glance(Degraded, host) == ""


def test_what_is_asked_for_the_diagnosis_stays_within_the_look(host: FakeHost) -> None:
    """A resident agent's own deadline is long over: with it, every backend would look as if it were gone."""
    left: list[float] = []

    class Asking(Service):
        def diagnose(self, error: ProbeError) -> OcfError:
            left.append(self.deadline.remaining())
            return super().diagnose(error)

    agent = Asking(context(host, "monitor"), Params(Asking.parameters, {"owner": "me"}))
    host.clock.sleep(3600)
    assert agent.glance(Deadline(host.clock, 1.0))
    assert left == [1.0]


def test_a_glance_writes_nothing_and_registers_nothing(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.serve(PORT, HTTP_OK)
    for name in ("write", "remove", "make_dir"):
        monkeypatch.setattr(FakeFiles, name, None)
    assert glance(Service, host) == ""
