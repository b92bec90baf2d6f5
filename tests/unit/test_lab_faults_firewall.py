"""The rules of a cut, and what is read back from them."""

from __future__ import annotations

from itertools import permutations

from quorate.lab.faults import firewall
from quorate.lab.faults.firewall import Drops, Port, counted, install_script
from quorate.lab.faults.shapes import everybody, isolate

NODES = ("n1", "n2", "n3")
ADDRESSES = {"n1": "10.0.0.11", "n2": "10.0.0.12", "n3": "10.0.0.13"}


def test_what_a_node_must_not_hear_is_dropped_where_it_would_arrive() -> None:
    drops = Drops(frozenset({("n1", "n2")}))
    assert drops.rules("n2", ADDRESSES) == ("-A QUORATE-CHAOS -s 10.0.0.11/32 -j DROP",)
    assert drops.rules("n1", ADDRESSES) == drops.rules("n3", ADDRESSES) == ()


def test_every_pair_has_its_rule() -> None:
    drops = Drops(everybody(NODES))
    rules = {(rule, node) for node in NODES for rule in drops.rules(node, ADDRESSES)}
    assert len(rules) == len(list(permutations(NODES, 2)))


def test_one_port_is_dropped_whichever_side_opened_the_connection() -> None:
    drops = Drops(frozenset({("n1", "n2")}), Port("tcp", 25672))
    assert drops.rules("n2", ADDRESSES) == (
        "-A QUORATE-CHAOS -s 10.0.0.11/32 -p tcp --dport 25672 -j DROP",
        "-A QUORATE-CHAOS -s 10.0.0.11/32 -p tcp --sport 25672 -j DROP",
    )


def test_a_share_is_left_to_chance() -> None:
    (rule,) = Drops(frozenset({("n1", "n2")}), share=0.25).rules("n2", ADDRESSES)
    assert rule == "-A QUORATE-CHAOS -s 10.0.0.11/32 -m statistic --mode random --probability 0.25 -j DROP"


def test_a_conversation_takes_both_directions() -> None:
    drops = Drops(frozenset({("n1", "n2")}))
    assert drops.cut("n1", "n2")
    assert drops.cut("n2", "n1")
    assert not drops.cut("n1", "n3")
    assert not Drops(isolate(NODES), share=0.5).cut("n1", "n2")


def test_the_chain_comes_first_and_is_made_anew_in_one_step() -> None:
    script = install_script(("-A QUORATE-CHAOS -s 10.0.0.11/32 -j DROP",))
    removing, _, installing = script.partition("iptables-restore")
    assert removing == firewall.REMOVE
    assert installing.index("-A QUORATE-CHAOS") < installing.index("-I INPUT 1 -j QUORATE-CHAOS")
    assert installing.count("COMMIT") == 1


def test_packets_are_counted_by_source() -> None:
    saved = """\
*filter
:INPUT ACCEPT [100:2000]
:QUORATE-CHAOS - [0:0]
[50:1000] -A INPUT -j QUORATE-CHAOS
[7:420] -A QUORATE-CHAOS -s 10.0.0.11/32 -p tcp -m tcp --dport 25672 -j DROP
[3:180] -A QUORATE-CHAOS -s 10.0.0.11/32 -p tcp -m tcp --sport 25672 -j DROP
[0:0] -A QUORATE-CHAOS -s 10.0.0.13/32 -j DROP
COMMIT
"""
    assert counted(saved) == {"10.0.0.11": 10, "10.0.0.13": 0}
    assert counted("") == {}
