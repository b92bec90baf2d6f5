"""How RabbitMQ's cluster comes to be: literal cases, and every order of events on three nodes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from quorate.agents.rabbitmq_forming import DATA, FORM, FRESH, RUN, decide

PEERS = ("n1", "n2", "n3")


def action(me: str, said: dict[str, str], fresh: bool = True, quorate: bool = True) -> str:
    return decide(me, PEERS, said, fresh=fresh, quorate=quorate).action


@pytest.mark.parametrize(
    ("me", "said", "expected"),
    [
        ("n1", {"n1": FRESH, "n2": FRESH, "n3": FRESH}, "form"),
        ("n2", {"n1": FRESH, "n2": FRESH, "n3": FRESH}, "wait"),
        ("n3", {"n1": FRESH, "n2": FRESH, "n3": FRESH}, "wait"),
        # One has not spoken: it may hold data.
        ("n1", {"n1": FRESH, "n2": FRESH}, "wait"),
        ("n1", {"n1": FRESH}, "wait"),
        ("n1", {}, "wait"),
        # Somebody holds data, or forms.
        ("n1", {"n1": FRESH, "n2": DATA, "n3": FRESH}, "wait"),
        ("n2", {"n1": FORM, "n2": FRESH, "n3": FRESH}, "wait"),
        # Somebody runs.
        ("n1", {"n1": FRESH, "n2": FRESH, "n3": RUN}, "join"),
        ("n1", {"n1": FRESH, "n2": RUN}, "join"),
        ("n1", {"n1": FRESH, "n2": DATA, "n3": RUN}, "join"),
        # Its own last word is no peer's.
        ("n1", {"n1": RUN, "n2": FRESH, "n3": FRESH}, "form"),
        # A word from a later version of the agent is not 'fresh', and not data either.
        ("n1", {"n1": FRESH, "n2": FRESH, "n3": "resting"}, "form"),
    ],
)
def test_decisions_of_a_fresh_node(me: str, said: dict[str, str], expected: str) -> None:
    assert action(me, said) == expected


words = st.sampled_from([FRESH, DATA, FORM, RUN])


@given(st.dictionaries(st.sampled_from(PEERS), words), st.sampled_from(PEERS), st.booleans())
def test_a_node_with_data_always_starts_with_it(said: dict[str, str], me: str, quorate: bool) -> None:
    assert action(me, said, fresh=False, quorate=quorate) == "rejoin"


@given(st.dictionaries(st.sampled_from(PEERS), words), st.sampled_from(PEERS), st.booleans())
def test_a_cluster_is_formed_only_over_fresh_peers(said: dict[str, str], me: str, quorate: bool) -> None:
    decision = decide(me, PEERS, said, fresh=True, quorate=quorate)
    if decision.action == "form":
        assert quorate
        assert me == PEERS[0]
        assert {said.get(name) for name in PEERS if name != me} == {FRESH}
    if decision.action == "join":
        assert decision.peers == tuple(n for n in PEERS if n != me and said.get(n) == RUN)
        assert decision.peers
    if decision.action == "wait":
        assert decision.why


def test_joining_needs_no_quorum_but_forming_does() -> None:
    assert action("n1", {"n1": FRESH, "n2": RUN}, quorate=False) == "join"
    assert action("n1", dict.fromkeys(PEERS, FRESH), quorate=False) == "wait"


class Node:
    """*disk* is the cluster that the data directory belongs to, or 0."""

    def __init__(self, disk: int) -> None:
        self.disk = disk
        self.stage = "off"
        self.peers: tuple[str, ...] = ()
        self.seen = 0

    @property
    def up(self) -> bool:
        return self.stage in ("up", "running", "stopping", "alone")


class Forming(RuleBasedStateMachine):
    """Three nodes, each acting on what has been delivered to it so far of one totally ordered list of words.

    A crash leaves the last word standing until Pacemaker cleans up; a 'run' is believed only while the port answers.
    A node that came up alone instead of joining sets its new data aside (not modelled: its death in between).
    """

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, str]] = []
        self.nodes: dict[str, Node] = {}
        self.clusters = 1
        self.wrong = ""

    @initialize(held=st.tuples(*[st.booleans()] * 3))
    def begin(self, held: tuple[bool, ...]) -> None:
        for name, data in zip(PEERS, held, strict=True):
            self.nodes[name] = Node(1 if data else 0)

    def write(self, name: str, word: str) -> None:
        self.log.append((name, word))

    def view(self, name: str) -> dict[str, str]:
        said = dict(self.log[: self.nodes[name].seen])
        return {n: w for n, w in said.items() if w and (w != RUN or n == name or self.nodes[n].up)}

    @rule(names=st.lists(st.sampled_from(PEERS), min_size=1, max_size=6), hears=st.booleans())
    def go_on(self, names: list[str], hears: bool) -> None:
        steps = {
            "off": self.publish,
            "waiting": self.decide,
            "forming": self.form,
            "rejoining": self.rejoin,
            "joining": self.join,
            "alone": self.set_aside,
            "up": self.say_run,
            "stopping": self.end_stop,
            "crashed": self.clean_up,
        }
        for name in names:
            node = self.nodes[name]
            if hears:
                node.seen = len(self.log)
            if node.stage in steps:
                steps[node.stage](name, node)

    def publish(self, name: str, node: Node) -> None:
        self.write(name, DATA if node.disk else FRESH)
        node.stage = "waiting"

    def decide(self, name: str, node: Node) -> None:
        decision = decide(name, PEERS, self.view(name), fresh=not node.disk, quorate=True)
        node.peers = decision.peers
        node.stage = {"form": "forming", "join": "joining", "rejoin": "rejoining", "wait": "waiting"}[decision.action]
        if decision.action == "form":
            self.write(name, FORM)

    def form(self, name: str, node: Node) -> None:
        holders = [n for n, other in self.nodes.items() if other.disk]
        if holders:
            self.wrong = f"{name} forms a cluster, but {', '.join(holders)} has data"
        self.clusters += 1
        node.disk = self.clusters
        node.stage = "up"

    def rejoin(self, name: str, node: Node) -> None:
        node.stage = "up"

    def join(self, name: str, node: Node) -> None:
        found = [self.nodes[peer] for peer in node.peers if self.nodes[peer].up and self.nodes[peer].stage != "alone"]
        if found:
            node.disk = found[0].disk
            node.stage = "up"
        else:
            node.stage = "alone"

    def set_aside(self, name: str, node: Node) -> None:
        node.stage = "waiting"

    def say_run(self, name: str, node: Node) -> None:
        self.write(name, RUN)
        node.stage = "running"

    def end_stop(self, name: str, node: Node) -> None:
        node.stage = "off"

    def clean_up(self, name: str, node: Node) -> None:
        self.write(name, "")
        node.stage = "off"

    @rule(name=st.sampled_from(PEERS))
    def crash(self, name: str) -> None:
        node = self.nodes[name]
        if node.stage not in ("off", "alone"):
            node.stage = "crashed"

    @rule(name=st.sampled_from(PEERS))
    def begin_stop(self, name: str) -> None:
        if self.nodes[name].stage == "running":
            self.write(name, "")
            self.nodes[name].stage = "stopping"

    @invariant()
    def one_cluster(self) -> None:
        assert not self.wrong, self.wrong
        assert len({node.disk for node in self.nodes.values()} - {0}) <= 1

    def teardown(self) -> None:
        """However it came here, with everybody started and everything heard all end up in one cluster."""
        if not self.nodes:
            return
        for name in PEERS:
            if self.nodes[name].stage == "stopping":
                self.go_on([name], True)
        for _ in range(12):
            self.go_on(list(PEERS), True)
        assert {node.stage for node in self.nodes.values()} == {"running"}
        assert len({node.disk for node in self.nodes.values()}) == 1
        self.one_cluster()


Forming.TestCase.settings = settings(max_examples=150, stateful_step_count=25)
TestEveryOrderOfEvents = Forming.TestCase


def test_the_machine_knows_a_second_cluster() -> None:
    machine = Forming()
    machine.begin((False, True, False))
    machine.form("n1", machine.nodes["n1"])
    with pytest.raises(AssertionError, match="n1 forms a cluster, but n2 has data"):
        machine.one_cluster()
