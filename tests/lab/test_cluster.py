"""The lab itself: it stands, it can be asked, its power switch is real, and it refuses bad input."""

from __future__ import annotations

import multiprocessing
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker.types
import pytest
from click.testing import CliRunner, Result

from quorate.cli.main import quorate_command
from quorate.lab import apt, bringup, collect, config, containers, engine, images, layout, paths, record
from quorate.lab.cluster import Lab, open_lab
from quorate.lab.remote import Deadline
from quorate.lib.problem import Failed, Problem, Unavailable

NAMES = ("n1", "n2", "n3")


def cli(*arguments: str) -> Result:
    return CliRunner().invoke(quorate_command, ["lab", *arguments])


def test_three_nodes_are_online_with_quorum(lab: Lab) -> None:
    health = lab.health()
    assert health.quorate
    assert [(node.name, node.online) for node in health.nodes] == [(name, True) for name in NAMES]
    assert lab.missing() == ()


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = {c.id: c.attrs["State"]["StartedAt"] for c in containers.of_lab(lab.client, lab.name)}
    text = record.topology_file(lab.name).read_text()
    begun = time.monotonic()
    assert bringup.up(lab, apt.DEFAULT_RELEASE, text) is False
    assert time.monotonic() - begun < 30
    assert {c.id: c.attrs["State"]["StartedAt"] for c in containers.of_lab(lab.client, lab.name)} == before


def test_a_fresh_image_holds_no_secret(lab: Lab) -> None:
    image = images.ensure(lab.client)
    looked = lab.client.containers.run(
        image,
        [
            "find",
            *("/var/lib/rabbitmq/.erlang.cookie", "/etc/mysql/debian.cnf", "/etc/corosync/authkey"),
            *("/etc/pacemaker/authkey", "/etc/keystone/fernet-keys", "/etc/keystone/credential-keys"),
            *("/var/lib/openstack-dashboard/secret-key", "/etc/quorate"),
            *("-type", "f"),
        ],
        remove=True,
        network_mode="none",
        entrypoint=["sh", "-c", '"$@" 2>/dev/null || true', "sh"],
    )
    assert looked == b""


def test_secrets_are_closed_on_the_nodes_and_absent_from_the_engine(lab: Lab) -> None:
    for file in config.node_files(lab.layout, lab.secrets, lab.topology.nodes[0]):
        if file.mode & 0o004 == 0:
            seen = lab.exec("n1", ["stat", "-c", "%a %U %G", file.path]).out.split()
            assert seen == [f"{file.mode:o}", file.owner, file.group], file.path
    for container in containers.of_lab(lab.client, lab.name):
        described = str(container.attrs)
        assert not [secret for secret in lab.secrets.values() if secret in described]


def test_the_engine_is_out_of_reach_for_nodes(lab: Lab) -> None:
    for node in lab.nodes:
        assert lab.exec(node, ["test", "-e", "/var/run/docker.sock"], check=False).rc == 1


def test_each_database_is_synced_behind_the_proxy(lab: Lab) -> None:
    """One is active, two are spare, and all three pass the check."""
    for node in lab.nodes:
        command = "echo 'show stat' | socat - UNIX-CONNECT:/run/haproxy/admin.sock | cut -d, -f1,2,18"
        rows = dict(line.rsplit(",", 1) for line in lab.exec(node, ["sh", "-c", command]).out.split() if line[0] != "#")
        assert [rows[f"galera,{name}"] for name in NAMES] == ["UP"] * 3
        assert [rows[f"keystone,{name}"] for name in NAMES] == ["UP"] * 3


# -- commands ------------------------------------------------------------------------------------------------


def test_a_command_gives_its_output_error_and_code(lab: Lab) -> None:
    script = "cat; printf err >&2; exit 7"
    result = lab.exec("n2", ["sh", "-c", script], stdin="some input", env={"X": "1"}, check=False)
    assert (result.rc, result.out, result.err) == (7, "some input", "err")
    with pytest.raises(Failed, match=r"node n2: `sh -c .* ended with 7: err"):
        lab.exec("n2", ["sh", "-c", script], stdin="")


def test_fast_commands_lose_no_output(lab: Lab) -> None:
    assert [lab.exec("n1", ["echo", str(i)]).out for i in range(15)] == [f"{i}\n" for i in range(15)]


def test_a_large_output_is_whole(lab: Lab) -> None:
    assert len(lab.exec("n1", ["head", "-c", "3000000", "/dev/zero"]).out) == 3_000_000


def test_a_command_ends_at_its_deadline_there_too(lab: Lab) -> None:
    begun = time.monotonic()
    with pytest.raises(Deadline, match="was not done within 1 s"):
        lab.exec("n1", ["sleep", "4321"], timeout=1.0)
    assert time.monotonic() - begun < 10
    assert lab.exec("n1", ["pgrep", "-f", "^sleep 4321"], check=False).out == ""


def test_an_unknown_node_is_one_sentence(lab: Lab) -> None:
    with pytest.raises(Problem, match="no node 'n9'"):
        lab.exec("n9", ["true"])


# -- power ---------------------------------------------------------------------------------------------------


def test_the_gateway_obeys_only_for_its_own_nodes(lab: Lab) -> None:
    """Against the real engine: neither the gateway itself nor another lab's or anybody's container."""
    image = images.ensure(lab.client)
    labels = {engine.LAB_LABEL: "another", engine.ROLE_LABEL: "node", engine.NODE_LABEL: "foreign"}
    foreign = lab.client.containers.run(image, ["sleep", "300"], detach=True, labels=labels, network_mode="none")
    try:
        for plug in ("foreign", str(foreign.name), str(foreign.id), "gateway", lab.layout.gateway_container):
            result = fence(lab, "off", plug)
            assert result[0] == 1
            assert "is not a node of the lab" in result[1]
        foreign.reload()
        assert foreign.status == "running"
        gateway = lab.client.containers.get(lab.layout.gateway_container)
        assert gateway.status == "running"
    finally:
        foreign.remove(force=True)


def test_the_gateway_knows_its_secret(lab: Lab) -> None:
    lab.put("n1", [config.File("/tmp/wrong.secret", b"wrong", mode=0o400)])
    assert fence(lab, "off", "n2", secret_file="/tmp/wrong.secret") == (1, "wrong secret")
    assert "n2" in lab.running()


def fence(lab: Lab, action: str, plug: str, **options: str) -> tuple[int, str]:
    given = {"action": action, "plug": plug, **options}
    text = "".join(f"{name}={value}\n" for name, value in given.items())
    result = lab.exec("n1", ["/usr/sbin/fence_quorate_lab"], stdin=text, check=False)
    return result.rc, result.err.strip().rsplit(": ", 1)[-1] if "secret" in result.err else result.err


def test_fencing_reboots_really_and_the_node_comes_back(lab: Lab) -> None:
    victim = lab.container("n3")
    before = victim.attrs["State"]["StartedAt"]
    lab.exec("n3", ["touch", "/run/of-the-last-life", "/root/of-every-life"])
    lab.exec("n1", ["stonith_admin", "--reboot", "n3"], timeout=60)
    victim.reload()
    assert victim.attrs["State"]["StartedAt"] != before
    lab.wait_healthy(240)
    left = lab.exec("n3", ["ls", "/run/of-the-last-life", "/root/of-every-life"], check=False).out
    assert left == "/root/of-every-life\n"


def test_a_frozen_node_is_fenced(lab: Lab) -> None:
    victim = lab.container("n2")
    before = victim.attrs["State"]["StartedAt"]
    victim.pause()
    try:
        begun = time.monotonic()
        with pytest.raises(Failed):
            lab.exec("n2", ["true"], timeout=2)
        assert time.monotonic() - begun < 10
        deadline = time.monotonic() + 60
        while victim.attrs["State"]["StartedAt"] == before:
            assert time.monotonic() < deadline, "a frozen node was not fenced within 60 s"
            time.sleep(0.5)
            victim.reload()
    finally:
        victim.reload()
        if victim.status == "paused":
            victim.unpause()
    lab.wait_healthy(240)


# -- what it tells ---------------------------------------------------------------------------------------------


def test_status_is_readable_for_programs(lab: Lab) -> None:
    import json

    result = cli("status", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["healthy"] is True
    assert told["missing"] == []
    assert sorted(told["resources"]["galera"]) == list(NAMES)


def test_the_command_line_runs_commands(lab: Lab) -> None:
    assert cli("exec", "n1", "--", "hostname").output == "n1\n"
    assert cli("exec", "n1", "--", "sh", "-c", "exit 5").exit_code == 5
    echoed = CliRunner().invoke(quorate_command, ["lab", "exec", "-i", "n1", "--", "cat"], input="to and fro")
    assert echoed.output == "to and fro"
    assert "pacemaker" in cli("logs", "n1", "-n", "5").output


def test_a_collection_has_everything_but_secrets(lab: Lab, tmp_path: Path) -> None:
    target = collect.collect(lab, tmp_path / "report.tar.gz")
    with tarfile.open(target) as archive:
        names = set(archive.getnames())
        root = f"quorate-{lab.name}"
        wanted = ("cib.xml", "crm_mon.txt", "log/pacemaker/pacemaker.log", "log/corosync/corosync.log")
        assert {f"{root}/{node}/{name}" for node in lab.nodes for name in wanted} <= names
        secrets = [secret.encode() for secret in lab.secrets.values()]
        for member in archive.getmembers():
            content = archive.extractfile(member)
            if content is not None:
                data = content.read()
                assert not [secret for secret in secrets if secret in data], member.name
    with pytest.raises(Problem, match="exists already"):
        collect.collect(lab, target)


# -- bad input -------------------------------------------------------------------------------------------------


@pytest.fixture
def second() -> Iterator[str]:
    """The name of a lab that must not exist before and after."""
    name = "clash"
    bringup.down(name, engine.connect())
    yield name
    client = engine.connect()
    try:
        assert not containers.of_lab(client, name)
        assert not record.folder(name).exists()
    finally:
        bringup.down(name, client)


def bring_up_second(name: str, subnet: str | None) -> None:
    opened = open_lab(name, engine.connect(), paths.DEFAULT_TOPOLOGY, subnet)
    text = layout.topology_text(paths.DEFAULT_TOPOLOGY, subnet)
    bringup.up(opened, apt.DEFAULT_RELEASE, text, bare=True)


def test_a_subnet_that_another_lab_has_is_named(lab: Lab, second: str) -> None:
    taken = f"is taken by the network '{lab.layout.network}' of the lab '{lab.name}'"
    with pytest.raises(Problem, match=taken):
        bring_up_second(second, lab.layout.subnet)
    assert not containers.networks_of(lab.client, second)


def test_a_subnet_that_a_foreign_network_has_is_named(lab: Lab, second: str) -> None:
    pool = docker.types.IPAMPool(subnet="172.30.91.0/25")
    foreign = lab.client.networks.create("somebodys", ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    try:
        with pytest.raises(Problem, match=r"172\.30\.91\.0/24.*the network 'somebodys' \(172\.30\.91\.0/25\)"):
            bring_up_second(second, "172.30.91.0/24")
    finally:
        foreign.remove()


def test_a_container_name_that_somebody_has_is_named(lab: Lab, second: str) -> None:
    image = images.ensure(lab.client)
    foreign = lab.client.containers.create(image, ["true"], name=f"{second}-n2", network_mode="none")
    try:
        with pytest.raises(Problem, match="a container 'clash-n2' that is not of the lab 'clash'"):
            bring_up_second(second, "172.30.92.0/24")
        assert not containers.networks_of(lab.client, second)
    finally:
        foreign.remove(force=True)


def _connect_as_nobody(answers: multiprocessing.Queue[str]) -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    try:
        engine.connect()
        answers.put("connected")
    except Unavailable as refusal:
        answers.put(str(refusal))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without permission")
def test_without_permission_for_the_engine_it_is_one_sentence(lab: Lab) -> None:
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[str] = context.Queue()
    child = context.Process(target=_connect_as_nobody, args=(answers,))
    child.start()
    told = answers.get(timeout=30)
    child.join(10)
    assert told.startswith("no permission to use the Docker engine at ")
    assert "\n" not in told


def test_a_lab_that_does_not_exist_is_one_sentence() -> None:
    with pytest.raises(Problem, match=r"there is no lab 'nowhere' here"):
        open_lab("nowhere", engine.connect())


def test_down_of_nothing_is_no_error(second: str) -> None:
    assert cli("down", "--name", second).output.strip().endswith(f"there was no lab '{second}'")
