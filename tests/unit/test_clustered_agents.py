"""galera and rabbitmq on fake nodes: what is published, started, set aside and reported."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from calling import KeptLog, act, context
from fake_host import AMQP_START, FakeCluster, FakeHost

from quorate.agents.dashboard import Dashboard
from quorate.agents.galera import Galera
from quorate.agents.galera_election import WAIT, Position
from quorate.agents.rabbitmq import RabbitMQ
from quorate.lib.deadline import Deadline
from quorate.lib.host import Result
from quorate.lib.params import Params
from quorate.lib.rc import DEGRADED, ERR_ARGS, ERR_CONFIGURED, ERR_GENERIC, ERR_INSTALLED, SUCCESS, Rc

NAMES = ("n1", "n2", "n3")
PEERS = {"peers": "n1=10.0.0.1 n2=10.0.0.2 n3=10.0.0.3"}
U = "6b1e0000-0000-0000-0000-000000000001"


def packet(sequence: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


# --- galera


class GaleraNode:
    """A node with MariaDB; its server answers at once, with *status*."""

    def __init__(self, cluster: FakeCluster, name: str = "n1") -> None:
        self.host = FakeHost(name, cluster)
        self.name = name
        self.log = KeptLog()
        self.host.files.put("/usr/sbin/mariadbd", mode=0o755)
        self.host.files.put("/var/lib/mysql/mysql/db.frm")
        self.host.files.folders.add("/var/lib/mysql")
        self.host.behave = lambda process: self.answer()

    def grastate(self, seqno: int, safe: int) -> None:
        text = f"# GALERA saved state\nversion: 2.1\nuuid:    {U}\nseqno:   {seqno}\nsafe_to_bootstrap: {safe}\n"
        self.host.files.put("/var/lib/mysql/grastate.dat", text)

    def answer(self, component: str = "Primary", ready: str = "ON") -> None:
        status = {
            "wsrep_cluster_state_uuid": U,
            "wsrep_cluster_status": component,
            "wsrep_local_state_comment": "Synced",
            "wsrep_ready": ready,
        }
        rows = [b"".join(bytes([len(w)]) + w.encode() for w in row) for row in status.items()]
        column = b"\x03def" + b"\0" * 20
        parts = [b"\x02", column, column, b"\xfe\0\0\2\0", *rows, b"\xfe\0\0\2\0"]
        self.host.serve(
            "/run/mysqld/mysqld.sock",
            packet(2, b"\0\0\0\2\0\0\0"),
            b"".join(packet(n + 1, part) for n, part in enumerate(parts)),
            greeting=packet(0, b"\x0a10.11\0" + b"\0" * 40),
        )

    def act(self, action: str, *, probe: bool = False, timeout: float = 60, **given: str) -> tuple[Rc, str]:
        return act(
            Galera,
            self.host,
            action,
            {**PEERS, **given},
            instance="galera",
            timeout=timeout,
            probe=probe,
            log=self.log,
            node=self.name,
        )

    def said(self) -> str | None:
        return self.host.cluster.views[self.name].get(("quorate-galera", self.name))


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(NAMES)


def others_say(cluster: FakeCluster, seqno: int) -> None:
    for name in ("n2", "n3"):
        cluster.write(name, "quorate-galera", Position(WAIT, U, seqno, False).encode())


def others_run(cluster: FakeCluster) -> None:
    for name in ("n2", "n3"):
        cluster.write(name, "quorate-galera", f"run:{U}")


def test_the_newest_bootstraps_marks_itself_safe_and_says_so(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(12, 0)
    others_say(cluster, 11)
    assert node.act("start") == (SUCCESS, "")
    (argv,) = node.host.spawned
    assert "--wsrep-new-cluster" in argv
    assert "--wsrep-cluster-address=gcomm://" in argv
    assert b"safe_to_bootstrap: 1" in node.host.files.content["/var/lib/mysql/grastate.dat"]
    assert node.host.files.owners["/var/lib/mysql/grastate.dat"] == "mysql"
    assert [value for _, _, value in cluster.history[2:]] == [f"wait:{U}:12:0", f"boot:{U}:12:0", f"run:{U}"]


def test_the_older_waits_and_joins(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(10, 0)
    others_say(cluster, 11)

    def bootstrapped() -> None:
        cluster.write("n2", "quorate-galera", f"run:{U}")
        node.host.serve(("10.0.0.2", 4567))

    node.host.clock.at(5, bootstrapped)
    assert node.act("start") == (SUCCESS, "")
    (argv,) = node.host.spawned
    assert "--wsrep-new-cluster" not in argv
    assert "--wsrep-cluster-address=gcomm://10.0.0.1:4567,10.0.0.2:4567,10.0.0.3:4567" in argv
    assert node.said() == f"run:{U}"


def test_a_start_that_nobody_lets_in_says_whom_it_waited_for(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(10, 0)
    rc, reason = node.act("start")
    assert rc == ERR_GENERIC
    assert "n2, n3 has not said yet" in reason
    assert node.host.spawned == []


def test_a_start_without_quorum_bootstraps_nothing(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(10, 1)
    cluster.partition(["n1"], ["n2", "n3"])
    rc, reason = node.act("start")
    assert rc == ERR_GENERIC
    assert "no quorum" in reason
    assert node.host.spawned == []


def test_after_a_crash_the_server_is_asked_for_its_position(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(-1, 0)
    node.host.commands["/usr/sbin/mariadbd"] = Result(
        0, "", f"2024 [Note] WSREP: Recovered position: {U}:42,0-1-7\n2024 [Note] bye\n"
    )
    others_say(cluster, 41)
    assert node.act("start") == (SUCCESS, "")
    assert "--wsrep-recover" in node.host.ran[0]
    assert f"boot:{U}:42:0" in [value for _, _, value in cluster.history]


def test_a_server_that_cannot_tell_its_position_is_not_guessed_at(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(-1, 1)
    node.host.commands["/usr/sbin/mariadbd"] = Result(1, "", "InnoDB: corrupted page\n")
    rc, reason = node.act("start")
    assert rc == ERR_GENERIC
    assert "cannot tell the position" in reason
    assert "InnoDB: corrupted page" in reason
    assert node.said() is None


def test_different_histories_are_refused(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(10, 0)
    cluster.write("n2", "quorate-galera", Position(WAIT, U.replace("6", "7"), 5).encode())
    rc, reason = node.act("start")
    assert rc == ERR_GENERIC
    assert "different clusters" in reason


def test_stop_withdraws_before_the_server_ends_and_works_without_a_cluster(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(12, 0)
    others_say(cluster, 11)
    node.act("start")
    (process,) = node.host.processes.values()
    said: list[str | None] = []
    signalled = process.signalled

    def watched(signal: int) -> None:
        said.append(node.said())
        signalled(signal)

    process.signalled = watched  # type: ignore[method-assign]
    node.host.attributes.away = False
    assert node.act("stop", peers="") == (SUCCESS, "")
    assert said[0] is None
    node.host.attributes.away = True
    assert node.act("stop", peers="garbage") == (SUCCESS, "")


def test_states_of_a_running_server(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(12, 0)
    others_say(cluster, 11)
    node.act("start")
    others_run(cluster)
    assert node.act("monitor") == (SUCCESS, "")
    node.answer(ready="OFF")
    assert node.act("monitor")[0] == DEGRADED
    node.answer(component="non-Primary")
    assert node.act("monitor")[0] == DEGRADED
    node.host.clock.sleep(29)
    assert node.act("monitor")[0] == DEGRADED
    node.host.clock.sleep(2)
    rc, reason = node.act("monitor")
    assert rc == ERR_GENERIC
    assert "outside the primary component (non-Primary)" in reason
    # Once it was back inside, its patience starts anew.
    node.answer()
    assert node.act("monitor") == (SUCCESS, "")
    node.answer(component="non-Primary")
    assert node.act("monitor")[0] == DEGRADED


def test_outside_the_primary_component_is_said_and_taken_back(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(12, 0)
    others_say(cluster, 11)
    node.act("start")
    others_run(cluster)
    node.answer(component="non-Primary")
    assert node.act("monitor")[0] == DEGRADED
    assert node.said() == f"out:{U}"
    # Within the component, if not yet ready: the peers can join again.
    node.answer(ready="OFF")
    assert node.act("monitor")[0] == DEGRADED
    assert node.said() == f"run:{U}"
    node.answer(component="non-Primary")
    node.act("monitor")
    node.answer()
    node.host.attributes.away = True
    assert node.act("monitor") == (SUCCESS, "")
    node.host.attributes.away = False
    assert node.said() == f"out:{U}"
    assert node.act("monitor") == (SUCCESS, "")
    assert node.said() == f"run:{U}", "what could not be said is said by the next monitor"


def test_a_sentinel_s_look_judges_no_state_of_the_component(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(12, 0)
    others_say(cluster, 11)
    node.act("start")
    said = len(cluster.history)

    def glance() -> str:
        agent = Galera(context(node.host, action="monitor", instance="galera"), Params(Galera.parameters, PEERS))
        return agent.glance(Deadline(node.host.clock, 1.0))

    for component, ready in (("Primary", "ON"), ("Primary", "OFF"), ("non-Primary", "OFF")):
        node.answer(component, ready)
        assert glance() == ""
    node.host.serve("/run/mysqld/mysqld.sock")
    assert "did not answer" in glance()
    assert len(cluster.history) == said
    assert "/run/quorate/galera.outside" not in node.host.files.content


def test_a_cluster_that_is_away_makes_no_failure_of_a_server_outside(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(12, 0)
    others_say(cluster, 11)
    node.act("start")
    node.answer(component="non-Primary")
    node.host.attributes.away = True
    assert node.act("monitor")[0] == DEGRADED


def test_a_server_outside_is_failed_at_once_when_a_peer_waits_for_its_data(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(12, 0)
    others_say(cluster, 11)
    node.act("start")
    cluster.write("n2", "quorate-galera", None)
    node.answer(component="non-Primary")
    rc, reason = node.act("monitor")
    assert rc == ERR_GENERIC
    assert "a peer waits" in reason


def test_a_start_beside_a_server_outside_ends_soon(cluster: FakeCluster) -> None:
    """Pacemaker can stop that one only when this start has ended."""
    node = GaleraNode(cluster)
    node.grastate(12, 0)
    cluster.write("n2", "quorate-galera", Position(WAIT, U, 11).encode())
    cluster.write("n3", "quorate-galera", f"out:{U}")
    before = cluster.clock.now
    rc, reason = node.act("start", timeout=300)
    assert rc == ERR_GENERIC
    assert "n3 runs outside the primary component and must be stopped first" in reason
    assert 3 <= cluster.clock.now - before < 6
    assert node.host.spawned == []


def test_a_joiner_whose_peer_is_outside_is_given_up_and_its_position_read_anew(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(10, 0)
    cluster.write("n2", "quorate-galera", f"run:{U}")
    node.host.serve(("10.0.0.2", 4567))

    def waits_for_a_view(process: object) -> None:
        node.grastate(11, 0)
        for running in node.host.processes.values():
            running.ignores.add(15)

    node.host.behave = waits_for_a_view
    cluster.clock.at(2, lambda: cluster.write("n2", "quorate-galera", f"out:{U}"))
    before = cluster.clock.now
    assert node.act("start", timeout=300)[0] == ERR_GENERIC
    (process,) = node.host.processes.values()
    assert process.gone
    assert cluster.clock.now - before < 2 + 3 + 8 + 3 + 3
    assert node.said() == f"wait:{U}:11:0"


def test_a_server_that_left_without_a_word_stays_away_until_its_peers_have_given_it_up(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(10, 0)
    node.host.files.put("/var/lib/mysql/gvwstate.dat", "my_uuid: 1\n")
    assert node.act("stop") == (SUCCESS, "")
    stopped = cluster.clock.now
    cluster.write("n2", "quorate-galera", f"run:{U}")
    node.host.serve(("10.0.0.2", 4567))
    joined: list[float] = []
    node.host.behave = lambda process: (joined.append(cluster.clock.now), node.answer())
    cluster.clock.sleep(1)
    assert node.act("start") == (SUCCESS, "")
    assert 6.5 <= joined[0] - stopped < 7.5
    # One that said good-bye, or died before the machine booted, need not wait.
    node.host.files.remove("/var/lib/mysql/gvwstate.dat")
    node.act("stop")
    stopped = cluster.clock.now
    assert node.act("start") == (SUCCESS, "")
    assert joined[1] - stopped < 1
    node.act("stop")
    node.host.files.put("/run/quorate/galera.died", "5000000.000\n")
    stopped = cluster.clock.now
    assert node.act("start") == (SUCCESS, "")
    assert joined[2] - stopped < 1


def test_an_election_is_held_again_over_what_was_heard_meanwhile(cluster: FakeCluster) -> None:
    """The last to leave need not wait for the others; one that says just then that it holds more goes first."""
    node = GaleraNode(cluster)
    node.grastate(10, 1)
    newer = Position(WAIT, U, 20).encode()
    heard = node.host.attributes.set

    def answers_after(name: str, value: str) -> None:
        heard(name, value)
        if value.startswith("boot"):
            cluster.write("n2", "quorate-galera", newer)

    node.host.attributes.set = answers_after  # type: ignore[method-assign]
    rc, _ = node.act("start")
    assert rc == ERR_GENERIC
    assert node.host.spawned == []
    assert node.said() == f"wait:{U}:10:1"


def test_a_probe_of_a_running_server_publishes_it_anew(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    node.grastate(12, 0)
    others_say(cluster, 11)
    node.act("start")
    node.host.attributes.clear("quorate-galera")
    assert node.act("monitor") == (SUCCESS, "")
    assert node.said() is None
    assert node.act("monitor", probe=True) == (SUCCESS, "")
    assert node.said() == f"run:{U}"


def test_what_galera_s_validation_refuses(cluster: FakeCluster) -> None:
    node = GaleraNode(cluster)
    assert node.act("start", peers="n8=10.0.0.8")[0] == ERR_CONFIGURED
    assert node.act("validate-all", peers="n1")[0] == ERR_CONFIGURED
    assert node.act("validate-all", datadir="/var/lib/other")[0] == ERR_ARGS
    assert node.act("validate-all", binary="/none")[0] == ERR_INSTALLED


# --- rabbitmq


class RabbitNode:
    """A node with RabbitMQ, whose broker comes up at once; *running* is what it says of its cluster."""

    def __init__(self, cluster: FakeCluster, name: str = "n1") -> None:
        self.host = FakeHost(name, cluster)
        self.name = name
        self.log = KeptLog()
        self.running = [f"rabbit@{name}"]
        self.policies: list[dict[str, str]] = []
        for path in ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/sbin/rabbitmqctl"):
            self.host.files.put(path, mode=0o755)
        self.host.files.put("/var/lib/rabbitmq/.erlang.cookie", "sesame", 0o400)
        self.host.files.folders.add("/var/lib/rabbitmq")
        self.data = f"/var/lib/rabbitmq/mnesia/rabbit@{name}"
        self.host.behave = self.come_up
        self.host.commands["/usr/sbin/rabbitmqctl"] = self.ctl

    def come_up(self, process: object) -> None:
        self.host.files.put(f"{self.data}/cluster_nodes.config", "x")
        self.host.serve(("127.0.0.1", 5672), AMQP_START)

    def ctl(self, argv: Sequence[str]) -> Result:
        if "cluster_status" in argv:
            return Result(0, json.dumps({"running_nodes": self.running, "disk_nodes": self.running}), "")
        if "list_policies" in argv:
            return Result(0, json.dumps(self.policies), "")
        return Result(0, "", "")

    def act(self, action: str, *, depth: int = 0, timeout: float = 60, **given: str) -> tuple[Rc, str]:
        return act(
            RabbitMQ,
            self.host,
            action,
            {**PEERS, **given},
            instance="rabbitmq",
            timeout=timeout,
            depth=depth,
            log=self.log,
            node=self.name,
        )


def say(cluster: FakeCluster, **words: str) -> None:
    for name, word in words.items():
        cluster.write(name, "quorate-rabbitmq", word)


def test_the_first_of_fresh_nodes_forms_the_cluster(cluster: FakeCluster) -> None:
    node = RabbitNode(cluster)
    say(cluster, n2="fresh", n3="fresh")
    assert node.act("start") == (SUCCESS, "")
    assert [value for _, _, value in cluster.history[2:]] == ["fresh", "form", "run"]
    assert any("set_policy" in argv for argv in node.host.ran)


def test_a_policy_that_is_set_already_is_left(cluster: FakeCluster) -> None:
    node = RabbitNode(cluster)
    pattern = next(p.default for p in RabbitMQ.parameters if p.name == "mirror_pattern") or ""
    definition = json.dumps({"ha-sync-mode": "automatic", "ha-mode": "all"})
    node.policies = [{"name": "quorate-mirror", "pattern": pattern, "definition": definition}]
    say(cluster, n2="fresh", n3="fresh")
    node.act("start")
    assert not any("set_policy" in argv for argv in node.host.ran)


def test_a_fresh_node_joins_who_runs(cluster: FakeCluster) -> None:
    node = RabbitNode(cluster)
    node.running = ["rabbit@n1", "rabbit@n2"]
    say(cluster, n2="run")
    node.host.serve(("10.0.0.2", 5672), AMQP_START)
    assert node.act("start") == (SUCCESS, "")
    (process,) = node.host.processes.values()
    assert process.environ["RABBITMQ_SERVER_START_ARGS"] == "-rabbit cluster_nodes {['rabbit@n2'],disc}"


def test_a_node_with_data_starts_with_it_and_alone(cluster: FakeCluster) -> None:
    node = RabbitNode(cluster)
    node.host.files.put(f"{node.data}/cluster_nodes.config", "x")
    assert node.act("start") == (SUCCESS, "")
    (process,) = node.host.processes.values()
    assert "RABBITMQ_SERVER_START_ARGS" not in process.environ


WAITING = "2026-01-01 12:00:00.1+00:00 [info] <0.221.0> Waiting for Mnesia tables for 30000 ms, 9 retries left\n"


@pytest.mark.parametrize("others", [{}, {"n2": "data"}, {"n2": "run"}])
def test_a_broker_that_waits_for_a_peer_that_nobody_starts_is_given_up(
    cluster: FakeCluster, others: dict[str, str]
) -> None:
    """Not even beside another one that waits just so, or one that only said that it ran."""
    node = RabbitNode(cluster)
    node.host.files.put(f"{node.data}/cluster_nodes.config", "x")
    log = "/var/log/rabbitmq/rabbit@n1.log"
    node.host.behave = lambda process: cluster.clock.at(5, lambda: node.host.files.put(log, WAITING))
    say(cluster, **others)
    before = cluster.clock.now
    rc, reason = node.act("start", timeout=240)
    assert rc == ERR_GENERIC
    assert "nobody has started them for 30 s" in reason
    assert cluster.clock.now - before < 38


@pytest.mark.parametrize("why", ["it boots slowly", "all are starting", "a peer runs"])
def test_a_broker_that_will_come_up_is_waited_for(cluster: FakeCluster, why: str) -> None:
    node = RabbitNode(cluster)
    node.host.files.put(f"{node.data}/cluster_nodes.config", "x")
    line = "[info] Starting RabbitMQ 3.10.8\n" if why == "it boots slowly" else WAITING
    node.host.behave = lambda process: node.host.files.put("/var/log/rabbitmq/rabbit@n1.log", line)
    if why == "all are starting":
        say(cluster, n2="data", n3="data")
    if why == "a peer runs":
        say(cluster, n2="run")
        node.host.serve(("10.0.0.2", 5672), AMQP_START)
    cluster.clock.at(50, lambda: node.come_up(None))
    assert node.act("start", timeout=240) == (SUCCESS, "")


def test_a_broker_that_logs_elsewhere_is_not_waited_for_longer(cluster: FakeCluster) -> None:
    node = RabbitNode(cluster)
    node.host.files.put(f"{node.data}/cluster_nodes.config", "x")
    node.host.behave = lambda process: None
    before = cluster.clock.now
    rc, reason = node.act("start", timeout=240)
    assert rc == ERR_GENERIC
    assert "nobody has started them for 30 s" in reason
    assert cluster.clock.now - before < 38


def test_a_sentinel_leaves_a_broker_that_pauses_itself_to_its_monitor(cluster: FakeCluster) -> None:
    node = RabbitNode(cluster)

    def glance() -> str:
        agent = RabbitMQ(context(node.host, action="monitor", instance="rabbitmq"), Params(RabbitMQ.parameters, PEERS))
        return agent.glance(Deadline(node.host.clock, 1.0))

    assert "refused" in glance()
    node.host.serve(("127.0.0.1", 25672))
    assert glance() == ""
    node.host.serve(("127.0.0.1", 5672), AMQP_START)
    assert glance() == ""
    # It accepts, and does not speak.
    node.host.serve(("127.0.0.1", 5672))
    assert "did not answer" in glance()


def test_a_fresh_node_does_not_wait_for_a_peer_that_nobody_starts(cluster: FakeCluster) -> None:
    node = RabbitNode(cluster)
    say(cluster, n2="fresh")
    before = cluster.clock.now
    rc, reason = node.act("start", timeout=240)
    assert rc == ERR_GENERIC
    assert "n3 has not said yet" in reason
    assert 30 <= cluster.clock.now - before < 33


def test_a_broker_that_came_up_alone_is_set_aside_and_nothing_is_deleted(cluster: FakeCluster) -> None:
    node = RabbitNode(cluster)
    say(cluster, n2="run")
    node.host.serve(("10.0.0.2", 5672), AMQP_START)

    def second_time(process: object) -> None:
        node.come_up(process)
        if len(node.host.spawned) == 2:
            node.running = ["rabbit@n1", "rabbit@n2"]

    node.host.behave = second_time
    assert node.act("start") == (SUCCESS, "")
    first, second = node.host.processes.values()
    assert first.gone
    assert not second.gone
    aside = [path for path in node.host.files.content if ".set-aside-" in path]
    assert len(aside) == 1
    assert any("came up alone" in line for line in node.log.lines)


def test_what_a_deep_monitor_reports(cluster: FakeCluster) -> None:
    node = RabbitNode(cluster)
    say(cluster, n2="fresh", n3="fresh")
    node.act("start")
    assert node.act("monitor", depth=10) == (SUCCESS, "")
    status = {"running_nodes": ["rabbit@n1"], "disk_nodes": ["rabbit@n1", "rabbit@n2"], "alarms": ["disk"]}
    node.host.commands["/usr/sbin/rabbitmqctl"] = Result(0, json.dumps(status), "")
    rc, reason = node.act("monitor", depth=10)
    assert (rc, reason) == (DEGRADED, "alarms: ['disk']")
    assert node.act("monitor") == (SUCCESS, "")


@pytest.mark.parametrize("agent", ["galera", "rabbitmq", "dashboard"])
def test_a_missing_user_is_not_installed(cluster: FakeCluster, agent: str) -> None:
    # prepare() gives folders to the user before
    # anything is spawned, and KeyError reaches the operator as an internal error.
    if agent == "dashboard":
        host = FakeHost()
        for path in ("/usr/sbin/apache2", "/etc/apache2/apache2.conf", "/etc/apache2/envvars"):
            host.files.put(path, mode=0o755)
        host.files.users = {"root"}
        rc, _ = act(Dashboard, host, "start", {})
    else:
        node = GaleraNode(cluster) if agent == "galera" else RabbitNode(cluster)
        node.host.files.users = {"root"}
        rc, _ = node.act("start")
    assert rc == ERR_INSTALLED


def test_an_address_that_is_none_is_refused_and_not_waited_for(cluster: FakeCluster) -> None:
    """A stray backslash would make a node that nobody can reach, and a start that waits for it until its timeout."""
    node = GaleraNode(cluster)
    rc, reason = node.act("start", peers="n1=10.0.0.1\\ n2=10.0.0.2")
    assert rc == ERR_CONFIGURED
    assert reason == "parameter peers must hold name=address pairs, not 'n1=10.0.0.1\\'"
