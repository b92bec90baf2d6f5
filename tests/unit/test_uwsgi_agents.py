"""keystone and nova-api: which failure is the service's and which is its database's."""

from __future__ import annotations

import pytest
from calling import act
from fake_host import HTTP_OK, SIGSTOP, FakeHost

from quorate.agents.dashboard import Dashboard
from quorate.agents.keystone import Keystone
from quorate.agents.nova_api import NovaApi
from quorate.agents.uwsgi import UwsgiApi
from quorate.lib.rc import DEGRADED, ERR_ARGS, ERR_GENERIC, ERR_INSTALLED, ERR_PERM, NOT_RUNNING, SUCCESS

DATABASE = ("127.0.0.1", 3306)
CONF = (
    "[database]\nconnection = mysql+pymysql://u:sesame@127.0.0.1/main\n"
    "[api_database]\nconnection = mysql+pymysql://u:sesame@127.0.0.1/api\n"
)


class Machine:
    """A node with one of the APIs installed."""

    def __init__(self, agent: type[UwsgiApi]) -> None:
        self.agent = agent
        self.host = FakeHost()
        default = {p.name: p.default or "" for p in agent.parameters}
        self.port = ("127.0.0.1", int(default["port"]))
        self.config = default["config"]
        self.host.files.put("/usr/bin/uwsgi_python3", mode=0o755)
        self.host.files.put(default["ini"])
        self.host.files.put(self.config, CONF, 0o640)
        self.host.behave = lambda process: self.host.serve(self.port, HTTP_OK)

    def act(self, action: str, depth: int = 0, **given: str):  # type: ignore[no-untyped-def]
        return act(self.agent, self.host, action, given, depth=depth, timeout=30)


@pytest.fixture(params=[Keystone, NovaApi], ids=lambda a: a.name)
def machine(request: pytest.FixtureRequest) -> Machine:
    made = Machine(request.param)
    assert made.act("start") == (SUCCESS, "")
    return made


def test_a_whole_life(machine: Machine) -> None:
    assert machine.host.spawned[0][:3] == ["/usr/bin/uwsgi_python3", "--http-socket", f"0.0.0.0:{machine.port[1]}"]
    assert machine.act("monitor") == (SUCCESS, "")
    assert machine.act("stop") == (SUCCESS, "")
    assert machine.act("monitor") == (NOT_RUNNING, "")


def test_a_shallow_monitor_does_not_touch_the_database(machine: Machine) -> None:
    machine.host.connections.clear()
    assert machine.act("monitor") == (SUCCESS, "")
    assert machine.host.connections == [machine.port]


@pytest.mark.parametrize("answers", [(), (b"HTTP/1.0 503 Unavailable\r\n\r\n",)], ids=["silent", "503"])
def test_no_good_answer_with_the_database_gone_is_degraded(machine: Machine, answers: tuple[bytes, ...]) -> None:
    machine.host.serve(machine.port, *answers)
    rc, reason = machine.act("monitor")
    assert rc == DEGRADED
    assert "at 127.0.0.1:3306" in reason
    assert "does not accept connections" in reason
    assert "sesame" not in reason


@pytest.mark.parametrize("answers", [(), (b"HTTP/1.0 500 Oops\r\n\r\n",)], ids=["silent", "500"])
def test_no_good_answer_with_the_database_up_is_failed(machine: Machine, answers: tuple[bytes, ...]) -> None:
    machine.host.serve(machine.port, *answers)
    machine.host.sockets[DATABASE] = lambda: greets(machine.host)
    assert machine.act("monitor")[0] == ERR_GENERIC


def greets(host: FakeHost):  # type: ignore[no-untyped-def]
    from fake_host import FakeSocket

    sock = FakeSocket(host.clock, [b"J\0\0\0\x0a10.11"])
    sock.sendall(b"")
    return sock


def test_a_refused_connection_is_failed_whatever_the_database_does(machine: Machine) -> None:
    del machine.host.sockets[machine.port]
    assert machine.act("monitor")[0] == ERR_GENERIC


def test_a_stopped_process_is_failed_whatever_the_database_does(machine: Machine) -> None:
    next(iter(machine.host.processes.values())).signalled(SIGSTOP)
    rc, reason = machine.act("monitor")
    assert rc == ERR_GENERIC
    assert "held stopped by a signal" in reason


@pytest.mark.parametrize("fault", ["mode", "gone"])
def test_a_hung_service_is_failed_when_only_its_configuration_cannot_be_read(machine: Machine, fault: str) -> None:
    # only a database that is seen to be gone excuses the service. Today a
    # hung service stays 'degraded' for ever once its file's mode is 0644, or the file is away.
    machine.host.serve(machine.port)
    machine.host.sockets[DATABASE] = lambda: greets(machine.host)
    if fault == "mode":
        machine.host.files.modes[machine.config] = 0o644
    else:
        machine.host.files.remove(machine.config)
    assert machine.act("monitor")[0] == ERR_GENERIC


def test_a_deep_monitor_with_the_database_gone_is_degraded(machine: Machine) -> None:
    machine.host.files.put(machine.config, CONF.replace("127.0.0.1", "127.0.0.1:9"), 0o640)
    rc, reason = machine.act("monitor", depth=10)
    assert rc == DEGRADED
    assert reason.startswith("the service answers, but the database ")
    assert "sesame" not in reason


def test_nova_asks_for_its_api_database_first() -> None:
    assert NovaApi.database_sections == ("api_database", "database")


def test_what_validation_refuses(machine: Machine) -> None:
    assert machine.act("validate-all") == (SUCCESS, "")
    machine.host.files.modes[machine.config] = 0o644
    assert machine.act("validate-all")[0] == ERR_PERM
    assert machine.act("validate-all", config="/none") == (
        ERR_ARGS,
        "/none does not exist on this host (parameter config)",
    )
    assert machine.act("validate-all", binary="/none")[0] == ERR_INSTALLED


def test_a_start_while_the_database_is_gone_is_a_start() -> None:
    machine = Machine(Keystone)
    machine.host.behave = lambda process: machine.host.serve(machine.port, b"HTTP/1.0 500 Oops\r\n\r\n")
    assert machine.act("start") == (SUCCESS, "")


@pytest.mark.parametrize(("status", "rc"), [(200, SUCCESS), (302, SUCCESS), (404, ERR_GENERIC), (500, ERR_GENERIC)])
def test_the_dashboard_must_show_its_login_page(status: int, rc: int) -> None:
    host = FakeHost()
    for path, mode in (("/usr/sbin/apache2", 0o755), ("/etc/apache2/apache2.conf", 0), ("/etc/apache2/envvars", 0)):
        host.files.put(path, mode=mode)
    host.behave = lambda process: host.serve(("127.0.0.1", 80), HTTP_OK)
    assert act(Dashboard, host, "start", {}) == (SUCCESS, "")
    host.serve(("127.0.0.1", 80), b"HTTP/1.1 %d x\r\n\r\n" % status)
    assert act(Dashboard, host, "monitor", {})[0] == rc
