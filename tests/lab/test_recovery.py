"""What the clustered services survive, on the running cluster: the data is there, and there is one cluster."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pika
import pymysql
import pytest

from quorate.lab import drill
from quorate.lab.cluster import Lab
from quorate.lab.config import AMQP_USER
from quorate.lab.progress import Progress
from quorate.lab.workloads.probes import DATABASE, prepare_database

QUEUE = "kept"
MESSAGES = 200
SERVICES = ("galera", "rabbitmq", "keystone", "nova-api", "dashboard")


def instances(lab: Lab, nodes: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """Which process each service's instance is, on *nodes*."""
    return {
        (node, service): lab.exec(node, ["cat", f"/run/quorate/{service}.pid"], check=False).out
        for node in nodes
        for service in SERVICES
    }


def channel(lab: Lab, node: str) -> pika.adapters.blocking_connection.BlockingChannel:
    connection = pika.BlockingConnection(
        pika.ConnectionParameters(
            lab.address(node),
            credentials=pika.PlainCredentials(AMQP_USER, lab.secrets.amqp_password),
            socket_timeout=5,
            stack_timeout=10,
            heartbeat=10,
            blocked_connection_timeout=20,
        )
    )
    return connection.channel()


@pytest.fixture
def messages(lab: Lab) -> int:
    """Confirmed persistent messages in a mirrored queue."""
    link = channel(lab, "n1")
    link.queue_delete(QUEUE)
    link.queue_declare(QUEUE, durable=True)
    link.confirm_delivery()
    for number in range(MESSAGES):
        link.basic_publish("", QUEUE, str(number).encode(), pika.BasicProperties(delivery_mode=2))
    link.connection.close()
    return MESSAGES


def left(lab: Lab, node: str) -> int:
    link = channel(lab, node)
    count = link.queue_declare(QUEUE, durable=True, passive=True).method.message_count
    link.connection.close()
    return int(count)


def database(lab: Lab, node: str, password: str) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
    return pymysql.connect(
        host=lab.address(node),
        user=DATABASE,
        password=password,
        database=DATABASE,
        autocommit=True,
        read_timeout=20,
        ssl_disabled=True,
    )


def rows(lab: Lab, node: str, password: str) -> int:
    with database(lab, node, password) as link, link.cursor() as cursor:
        # Whatever this node has been sent but not applied yet is waited for.
        cursor.execute("SET SESSION wsrep_sync_wait = 1")
        cursor.execute("SELECT COUNT(*) FROM rows_written")
        return int(cursor.fetchone()[0])  # type: ignore[index]


def one_broker_cluster(lab: Lab) -> None:
    """All three brokers say that all three run, in one cluster, and nothing was set aside."""
    for node in lab.nodes:
        status = json.loads(lab.exec(node, ["rabbitmqctl", "-q", "cluster_status", "--formatter", "json"]).out)
        assert sorted(status["running_nodes"]) == [f"rabbit@{name}" for name in lab.nodes]
        assert not status["partitions"]
        assert "set-aside" not in lab.exec(node, ["ls", "/var/lib/rabbitmq/mnesia"]).out


def one_primary_component(lab: Lab) -> None:
    seen = set()
    for node in lab.nodes:
        out = lab.exec(node, ["mariadb", "-NBe", "SHOW STATUS LIKE 'wsrep_cluster_%'"]).out
        status = dict(line.split("\t") for line in out.splitlines())
        assert (status["wsrep_cluster_size"], status["wsrep_cluster_status"]) == ("3", "Primary")
        seen.add(status["wsrep_cluster_state_uuid"])
    assert len(seen) == 1


def await_new_instances(lab: Lab, before: dict[tuple[str, str], str], services: tuple[str, ...]) -> None:
    """Until all is healthy with another process for every instance of *services* than *before*."""
    until = time.monotonic() + 300
    while True:
        now = instances(lab, lab.nodes)
        old = [key for key in before if key[1] in services and now[key] in ("", before[key])]
        missing = lab.missing()
        if not old and not missing:
            return
        assert time.monotonic() < until, f"not back: {old}; {missing}"
        time.sleep(1)


def kill(lab: Lab, service: str, node: str) -> None:
    drill.KillService(service).inject(lab, node)


def test_the_policy_mirrors_queues_on_all_nodes(lab: Lab, messages: int) -> None:
    out = lab.exec("n2", ["rabbitmqctl", "-q", "list_queues", "name", "slave_pids", "--formatter", "json"]).out
    mirrors = {entry["name"]: entry["slave_pids"] for entry in json.loads(out)}
    assert len(mirrors[QUEUE]) == 2
    assert left(lab, "n3") == messages


@pytest.mark.timeout(900)
def test_the_drill(lab: Lab) -> None:
    """Each service killed on n1, then n1's power cut: no API request fails but those in flight."""
    others = ("n2", "n3")
    before = instances(lab, others)
    outcomes = drill.run(lab, Progress(), "n1")
    assert [outcome.fault for outcome in outcomes] == [fault.name for fault in drill.FAULTS]
    for outcome in outcomes:
        assert outcome.broken() == []
        for service, seen in outcome.seen.items():
            assert seen.requests > 0, service
    # Enough was asked to have met a failure. How fast the clients are is the machine's affair.
    assert all(seen.requests >= 50 for seen in outcomes[0].seen.values())
    assert instances(lab, others) == before
    one_broker_cluster(lab)
    one_primary_component(lab)


@pytest.mark.timeout(600)
def test_a_total_outage_of_database_and_broker_loses_nothing(lab: Lab, messages: int) -> None:
    """Every database and every broker is killed at once; all come back alone, as one cluster each, with the data."""
    password = prepare_database(lab)
    for node in lab.nodes:
        with database(lab, node, password) as link, link.cursor() as cursor:
            for _ in range(50):
                cursor.execute("INSERT INTO rows_written (node) VALUES (%s)", (node,))
    written = rows(lab, "n1", password)
    before = instances(lab, lab.nodes)
    with ThreadPoolExecutor(6) as pool:
        strikes = [pool.submit(kill, lab, service, node) for service in ("galera", "rabbitmq") for node in lab.nodes]
        for strike in strikes:
            strike.result()
    await_new_instances(lab, before, ("galera", "rabbitmq"))
    one_primary_component(lab)
    one_broker_cluster(lab)
    for node in lab.nodes:
        assert rows(lab, node, password) == written
        assert left(lab, node) == messages
    after = instances(lab, lab.nodes)
    same = [key for key in before if key[1] in ("keystone", "nova-api", "dashboard") and after[key] != before[key]]
    assert same == [], "the APIs were restarted although only their database and broker were gone"
