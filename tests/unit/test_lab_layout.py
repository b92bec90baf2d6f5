"""Names and addresses of a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.cib.topology import Node
from quorate.lab import layout, paths
from quorate.lib.problem import Problem

NODES = (Node("n1", "10.1.2.11"), Node("n2", "10.1.2.12"))


def test_everything_is_named_after_the_lab() -> None:
    made = layout.make_layout("alpha", NODES)
    assert (made.subnet, made.bridge, made.gateway) == ("10.1.2.0/24", "10.1.2.1", "10.1.2.2")
    assert made.container("n1") == "alpha-n1"
    assert made.gateway_container == "alpha-gateway"
    assert made.hosts == {"n1": "10.1.2.11", "n2": "10.1.2.12", "gateway": "10.1.2.2"}


def test_the_gateway_takes_an_address_that_no_node_has() -> None:
    made = layout.make_layout("alpha", (Node("n1", "10.1.2.2"), Node("n2", "10.1.2.3")))
    assert made.gateway == "10.1.2.4"


@pytest.mark.parametrize(
    ("name", "nodes", "complaint"),
    [
        ("Alpha", NODES, "lower-case"),
        ("a" * 40, NODES, "lower-case"),
        ("alpha", (*NODES, Node("n3", "10.1.3.1")), "share one /24"),
        ("alpha", (Node("n1", "10.1.2.1"),), "reserved"),
        ("alpha", (Node("n1", "10.1.2.255"),), "reserved"),
        ("alpha", (Node("n1", "fd00::1"),), "IPv4"),
        ("alpha", (Node("gateway", "10.1.2.9"),), "fencing gateway"),
    ],
)
def test_what_cannot_be_laid_out_is_one_sentence(name: str, nodes: tuple[Node, ...], complaint: str) -> None:
    with pytest.raises(Problem, match=complaint):
        layout.make_layout(name, nodes)


def test_an_unknown_node_is_named_with_the_known_ones() -> None:
    with pytest.raises(Problem, match=r"no node 'n9'.*n1, n2"):
        layout.make_layout("alpha", NODES).address("n9")


def test_readdressing_moves_whole_addresses_only() -> None:
    text = "n1: 10.1.2.11\nn2: 10.1.2.12\nother: 10.1.2.112 110.1.2.11 10.1.2.11.5\n"
    assert layout.readdress(text, NODES, "192.168.9.0/24") == (
        "n1: 192.168.9.11\nn2: 192.168.9.12\nother: 10.1.2.112 110.1.2.11 10.1.2.11.5\n"
    )


@pytest.mark.parametrize("subnet", ["192.168.9.0/25", "192.168.9.7/24", "nonsense", "300.1.1.0/24"])
def test_a_bad_subnet_is_one_sentence(subnet: str) -> None:
    with pytest.raises(Problem, match="--subnet"):
        layout.readdress("", NODES, subnet)


def test_the_default_topology_moves_with_its_parameters(tmp_path: Path) -> None:
    moved = layout.read_topology(paths.DEFAULT_TOPOLOGY, "192.168.9.0/24")
    assert [node.address for node in moved.nodes] == ["192.168.9.11", "192.168.9.12", "192.168.9.13"]
    peers = [value for service in moved.services for name, value in service.parameters if name == "peers"]
    assert peers
    assert all("172.30.77" not in value and "192.168.9.12" in value for value in peers)


def test_overlaps_are_found_in_both_directions() -> None:
    taken = [("the network 'a'", "10.0.0.0/8"), ("the network 'b'", "172.30.77.128/25"), ("all", "0.0.0.0/0")]
    assert layout.overlapping("10.1.2.0/24", taken) == "the network 'a' (10.0.0.0/8)"
    assert layout.overlapping("172.30.77.0/24", taken) == "the network 'b' (172.30.77.128/25)"
    assert layout.overlapping("192.168.1.0/24", [*taken, ("v6", "fd00::/8"), ("none", "")]) is None


def test_the_kernels_routes_are_read() -> None:
    text = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert layout.kernel_routes(text) == [
        ("interface eth0", "0.0.0.0/0.0.0.0"),
        ("interface eth0", "192.168.2.0/255.255.255.0"),
    ]
    assert layout.overlapping("192.168.2.0/24", layout.kernel_routes(text)) == (
        "interface eth0 (192.168.2.0/255.255.255.0)"
    )
