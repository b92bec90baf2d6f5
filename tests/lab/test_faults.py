"""Faults on the running cluster: each is seen to happen, heals itself, and leaves nothing behind."""

from __future__ import annotations

import random
import threading

import pytest

from quorate.lab import disks, services
from quorate.lab.cluster import Lab
from quorate.lab.fault import NotInjected
from quorate.lab.faults import firewall, mending
from quorate.lab.faults.disk import DiskFull
from quorate.lab.faults.firewall import Drops, Port, dropping
from quorate.lab.faults.network import Partition
from quorate.lab.faults.power import Power
from quorate.lab.faults.process import Processes, Signal
from quorate.lab.faults.shapes import BRIDGE

DISTRIBUTION = Port("tcp", 25672)
REACHES = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
    print("yes")
except ConnectionRefusedError:
    print("yes")
except OSError:
    print("no")
"""


def reaches(lab: Lab, source: str, destination: str, port: int) -> bool:
    argv = ["/usr/bin/python3", "-I", "-S", "-", lab.address(destination), str(port)]
    return lab.exec(source, argv, stdin=REACHES, timeout=10).out.strip() == "yes"


def nothing_left(lab: Lab) -> None:
    """No rule of ours, and no process of a service that is stopped."""
    assert firewall.left_over(lab) == ()
    for node in lab.nodes:
        rules = lab.exec(node, ["iptables-save"]).out
        assert firewall.CHAIN not in rules
        for service in services.SERVICES:
            states = lab.exec(node, ["ps", "-o", "stat=", "-C", ",".join(service.commands)], check=False).out.split()
            assert not [state for state in states if state.startswith("T")], f"{service.name} on {node} is stopped"


def test_a_stopped_service_runs_on_after_healing(maintenance: Lab) -> None:
    """Nobody else takes part: a monitor that came just then would have the service ended, for which it is woken."""
    lab = maintenance
    what = services.service("dashboard")
    processes = Processes(what.user, what.commands)
    with Signal("STOP", "dashboard").inject(lab, random.Random(1)) as seen:
        (node,) = seen.nodes
        stopped = lab.exec(node, ["ps", "-o", "stat=", "-C", "apache2"]).out.split()
        assert stopped
        assert all(state.startswith("T") for state in stopped)
        assert "timed out" in what.silent(lab.address(node), 1.0)
        before = {pid for pid, _ in processes.find(lab, node)}
    assert {pid for pid, _ in processes.find(lab, node)} & before, "healed, not replaced"
    assert what.silent(lab.address(node)) == ""
    nothing_left(lab)


def test_a_bridge_of_one_port_cuts_two_nodes_and_heals(lab: Lab) -> None:
    chance = random.Random(1)
    with Partition(BRIDGE, DISTRIBUTION).inject(lab, chance) as seen:
        one, other = seen.nodes
        (third,) = set(lab.nodes) - {one, other}
        assert not reaches(lab, one, other, DISTRIBUTION.number)
        assert not reaches(lab, other, one, DISTRIBUTION.number)
        assert reaches(lab, one, third, DISTRIBUTION.number)
        assert reaches(lab, one, other, 3306), "every other port is open"
    assert reaches(lab, one, other, DISTRIBUTION.number)
    nothing_left(lab)


def test_a_connection_that_exists_is_cut_too(lab: Lab) -> None:
    """Galera's members keep theirs open: what they send on it is dropped, and counted."""
    one, other, _ = lab.nodes
    drops = Drops(frozenset({(one, other)}), Port("tcp", 4567))
    with dropping(lab, drops):
        saved = lab.exec(other, ["iptables-save", "-c"]).out
        assert firewall.counted(saved)[lab.address(one)] > 0
    nothing_left(lab)


def test_a_cut_that_does_not_cut_is_void(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Drops, "rules", lambda drops, node, addresses: ())
    with (
        pytest.raises(NotInjected, match="is still reached by"),
        dropping(lab, Drops(frozenset({("n1", "n2"), ("n2", "n1")}))),
    ):
        pass
    nothing_left(lab)
    assert not [thread for thread in threading.enumerate() if thread.name == "cut"], "it would cut a node that boots"


def test_a_signal_to_nobody_is_void(lab: Lab) -> None:
    with pytest.raises(NotInjected, match="there is no process"):
        Processes("", ("nobody-has-this",)).strike(lab, lab.nodes[0], "KILL")


def test_a_frozen_node_is_unfrozen(lab: Lab) -> None:
    with Power("pause").inject(lab, random.Random(1)) as seen:
        (node,) = seen.nodes
        assert mending.boot(lab, node)[0] == "paused"
    assert mending.boot(lab, node)[0] != "paused"
    # Held for longer than corosync's token it was fenced, and boots.
    lab.wait_healthy(240)
    nothing_left(lab)


def test_a_full_disk_is_full_and_then_is_not(lab: Lab) -> None:
    fault = DiskFull("rabbitmq")
    if why := fault.available(lab):
        pytest.skip(why)
    with fault.inject(lab, random.Random(1)) as seen:
        (node,) = seen.nodes
        free = lab.exec(node, ["df", "--output=avail", "/var/lib/rabbitmq"]).out.split()[-1]
        assert int(free) < 64
    disk = disks.Disk(lab.name, node, services.service("rabbitmq"))
    assert disk.free() > 100 << 20
    assert [path for path in disk.mount_point.iterdir() if path.name not in ("data", "lost+found")] == []


def test_what_the_lab_does_not_have_is_refused_in_a_sentence(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lab, "clones", lambda lab: {"galera-clone": 0})
    assert Signal("KILL", "galera").available(lab) == ""
    assert Signal("KILL", "rabbitmq").available(lab) == "rabbitmq is not in the lab's topology"
    assert "it takes 9 nodes and the lab has 3" in Power("power-off", 9).available(lab)
