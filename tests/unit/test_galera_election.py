"""Who bootstraps Galera: literal cases, properties of the decision, and every order of events on three nodes."""

from __future__ import annotations

import pytest
from calling import KeptLog, context
from fake_host import FakeCluster, FakeHost
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quorate.agents.galera import Galera
from quorate.agents.galera_election import (
    BOOT,
    GONE,
    JOIN,
    NO_UUID,
    OUT,
    RUN,
    WAIT,
    Position,
    decide,
    forsaken,
    stranded,
)
from quorate.lib.params import Params
from quorate.lib.rc import OcfError

PEERS = ("n1", "n2", "n3")
U, V = "6b1e0000-0000-0000-0000-000000000001", "6b1e0000-0000-0000-0000-000000000002"


def wait(seqno: int, safe: bool = False, uuid: str = U) -> Position:
    return Position(WAIT, uuid, seqno, safe)


FRESH = Position(WAIT)
BOOTS = Position(BOOT, U, 9, False)
RUNS = Position(RUN, U)
OUTSIDE = Position(OUT, U)


def action(me: str, said: dict[str, Position], quorate: bool = True) -> str:
    return decide(me, PEERS, said, quorate=quorate).action


# --- literal cases


@pytest.mark.parametrize(
    ("me", "said", "expected"),
    [
        # All present: the newest data wins, then the last to leave, then the order of the peers.
        ("n3", {"n1": wait(8), "n2": wait(9), "n3": wait(10)}, "bootstrap"),
        ("n1", {"n1": wait(8), "n2": wait(9), "n3": wait(10)}, "wait"),
        ("n2", {"n1": wait(9), "n2": wait(9, True), "n3": wait(9)}, "bootstrap"),
        ("n1", {"n1": wait(9), "n2": wait(9, True), "n3": wait(9)}, "wait"),
        ("n1", {"n1": wait(9), "n2": wait(9), "n3": wait(9)}, "bootstrap"),
        ("n1", {"n1": FRESH, "n2": FRESH, "n3": FRESH}, "bootstrap"),
        ("n2", {"n1": FRESH, "n2": FRESH, "n3": FRESH}, "wait"),
        ("n2", {"n1": FRESH, "n2": wait(0), "n3": FRESH}, "bootstrap"),
        # Somebody has not said yet what it holds.
        ("n1", {"n1": wait(9), "n2": wait(8)}, "wait"),
        ("n1", {"n1": wait(9)}, "wait"),
        ("n1", {"n1": FRESH, "n2": FRESH}, "wait"),
        ("n1", {"n1": Position(WAIT, NO_UUID, -1, True), "n2": FRESH}, "wait"),
        # The last to leave need not wait for the others.
        ("n2", {"n2": wait(9, True)}, "bootstrap"),
        ("n1", {"n1": wait(8), "n2": wait(9, True)}, "wait"),
        # Somebody runs or bootstraps.
        ("n1", {"n1": wait(99, True), "n2": RUNS}, "join"),
        ("n1", {"n1": wait(99, True), "n2": wait(1), "n3": BOOTS}, "wait"),
        ("n1", {"n1": wait(9), "n2": BOOTS, "n3": RUNS}, "join"),
        # Its own last words do not stop a node.
        ("n1", {"n1": BOOTS, "n2": wait(8), "n3": wait(8)}, "bootstrap"),
        # A server outside the primary component may hold newer data than it has said.
        ("n1", {"n1": wait(9, True), "n2": wait(8), "n3": OUTSIDE}, "wait"),
        ("n1", {"n1": wait(9), "n2": RUNS, "n3": OUTSIDE}, "join"),
        # Sequence numbers of different clusters cannot be compared.
        ("n1", {"n1": wait(9), "n2": wait(5, uuid=V), "n3": wait(8)}, "refuse"),
        ("n1", {"n1": wait(9, True), "n2": wait(5, uuid=V)}, "refuse"),
    ],
)
def test_decisions(me: str, said: dict[str, Position], expected: str) -> None:
    assert action(me, said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"n2": wait(1)}, True),
        ({"n2": wait(1), "n3": wait(2)}, False),
        ({"n2": wait(1), "n3": Position(GONE, U)}, True),
        ({"n2": wait(1), "n3": OUTSIDE}, True),
        ({"n2": BOOTS}, False),
        ({"n2": Position(JOIN, U)}, False),
        # It joins the one outside, in vain.
        ({"n2": Position(JOIN, U), "n3": OUTSIDE}, True),
    ],
)
def test_who_is_waited_for_in_vain(said: dict[str, Position], expected: bool) -> None:
    assert forsaken("n1", PEERS, {"n1": wait(3), **said}) is expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"n2": wait(1)}, True),
        ({"n2": wait(1), "n3": RUNS}, False),
        ({"n2": wait(1), "n3": BOOTS}, False),
        ({"n2": wait(1), "n3": OUTSIDE}, True),
        ({"n2": OUTSIDE, "n3": OUTSIDE}, False),
        ({"n2": Position(JOIN, U)}, False),
        ({}, False),
    ],
)
def test_when_a_server_outside_is_in_the_way(said: dict[str, Position], expected: bool) -> None:
    assert stranded("n1", {"n1": OUTSIDE, **said}) is expected


def test_without_quorum_nobody_bootstraps_but_joining_is_free() -> None:
    everybody = {"n1": wait(9, True), "n2": wait(8), "n3": wait(8)}
    assert action("n1", everybody, quorate=False) == "wait"
    assert action("n1", {"n1": wait(9), "n2": RUNS}, quorate=False) == "join"


@pytest.mark.parametrize(
    "said",
    [
        # A flag that is older than what another node holds (n1 left last once; the others were started without it).
        {"n1": wait(10, True), "n2": wait(20)},
        # Two flags.
        {"n1": wait(10, True), "n2": wait(20, True)},
    ],
)
def test_a_flag_never_beats_a_known_higher_position(said: dict[str, Position]) -> None:
    # with a node missing, the first node with the flag is chosen whatever
    # the others are known to hold.
    assert action("n1", said) != "bootstrap"


def test_reasons_name_the_node() -> None:
    assert "n3" in decide("n1", PEERS, {"n1": wait(1), "n2": wait(2)}, quorate=True).why
    assert V in decide("n1", PEERS, {"n1": wait(1), "n2": wait(2, uuid=V)}, quorate=True).why


# --- properties of the decision

positions = st.builds(
    lambda fresh, seqno, safe: FRESH if fresh else wait(seqno, safe), st.booleans(), st.integers(0, 3), st.booleans()
)


@given(st.tuples(positions, positions, positions))
def test_with_all_present_exactly_one_is_chosen_and_it_has_the_newest_data(held: tuple[Position, ...]) -> None:
    said = dict(zip(PEERS, held, strict=True))
    chosen = [name for name in PEERS if action(name, said) == "bootstrap"]
    assert len(chosen) == 1
    assert said[chosen[0]].seqno == max(p.seqno for p in held)
    assert {action(name, said) for name in PEERS if name not in chosen} == {"wait"}


words = st.one_of(positions, st.sampled_from([BOOTS, RUNS, OUTSIDE, wait(3, uuid=V)]))


@given(st.dictionaries(st.sampled_from(PEERS), words), st.sampled_from(PEERS), st.booleans())
def test_no_bootstrap_beside_anybody_who_is_up(said: dict[str, Position], me: str, quorate: bool) -> None:
    said.setdefault(me, wait(2))
    decision = action(me, said, quorate)
    others = [p for n, p in said.items() if n != me]
    if decision == "bootstrap":
        assert quorate
        assert all(p.phase == WAIT for p in others)
        assert len({p.uuid for p in said.values() if not p.fresh}) <= 1
    if decision == "join":
        assert any(p.phase == RUN for p in others)


@given(st.dictionaries(st.sampled_from(PEERS), words), st.booleans())
def test_the_same_values_never_choose_two(said: dict[str, Position], quorate: bool) -> None:
    assert sum(action(name, said, quorate) == "bootstrap" for name in said if said[name].phase == WAIT) <= 1


@given(words)
def test_a_word_comes_back(position: Position) -> None:
    back = Position.decode(position.encode())
    assert back is not None
    assert back.encode() == position.encode()
    assert (back.phase, back.uuid) == (position.phase, position.uuid)


@pytest.mark.parametrize("text", ["", "run", "wait", "wait:U", "wait:U:x:1", "wait:U::1", "dance:U:1:1", "run:U:1"])
def test_what_nobody_wrote_is_nothing(text: str) -> None:
    assert Position.decode(text) is None


@pytest.mark.parametrize("text", ["wait:U:--5:1", "wait:U:²:1", "boot:U:-:0"])
def test_what_looks_like_a_number_and_is_none(text: str) -> None:
    # int() raises ValueError after lstrip().isdigit().
    assert Position.decode(text) is None


# --- every order of events


class Cluster:
    """A Galera primary component."""

    def __init__(self, seqno: int) -> None:
        self.seqno = seqno
        self.members: set[str] = set()
        self.primary = True


class Node:
    """*stage* is how far the agent's start is; *disk* what a stopped server's data directory says."""

    def __init__(self, seqno: int, safe: bool) -> None:
        self.stage = "off"
        self.seqno = seqno
        self.safe = safe
        self.cluster: Cluster | None = None
        self.seen = 0
        self.wrote = 0


class Election(RuleBasedStateMachine):
    """Three nodes, each acting on what has been delivered to it so far of one totally ordered list of writes.

    The agent's protocol around ``decide``, whose parts are held to it by the tests of the agent below:
    what is elected says so, and looks again when its own word has come back; what starts to join takes back what it
    said of its data; what stops does so before its server ends. A crash leaves the last word standing.
    """

    looks_again = True
    joiner_withdraws = True

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, str]] = []
        self.nodes: dict[str, Node] = {}
        self.lost = ""

    @initialize(
        up=st.booleans(),
        seqnos=st.tuples(*[st.integers(0, 2)] * 3),
        last=st.sampled_from(["", "n1", "n2", "n3"]),
        fresh=st.booleans(),
    )
    def begin(self, up: bool, seqnos: tuple[int, ...], last: str, fresh: bool) -> None:
        for name, seqno in zip(PEERS, seqnos, strict=True):
            # The last to leave in good order has everything.
            held = -1 if fresh else max(seqnos) if name == last else seqno
            self.nodes[name] = Node(held, name == last and not fresh)
        if up:
            for _ in range(10):
                self.go_on(list(PEERS), True)
            assert {node.stage for node in self.nodes.values()} == {"running"}

    # what everybody hears

    def write(self, name: str, word: str) -> None:
        self.log.append((name, word))
        self.nodes[name].wrote = len(self.log)

    def view(self, name: str) -> dict[str, Position]:
        said: dict[str, Position] = {}
        for writer, word in self.log[: self.nodes[name].seen]:
            position = Position.decode(word)
            if position is None:
                said.pop(writer, None)
            else:
                said[writer] = position
        # The agent drops a 'run' whose group port does not answer.
        return {n: p for n, p in said.items() if p.phase != RUN or self.nodes[n].cluster is not None}

    def position(self, name: str, phase: str = WAIT) -> str:
        node = self.nodes[name]
        return Position(phase, U if node.seqno >= 0 else NO_UUID, node.seqno, node.safe).encode()

    @rule(name=st.sampled_from(PEERS), some=st.integers(1, 4), everything=st.booleans())
    def hear(self, name: str, some: int, everything: bool) -> None:
        node = self.nodes[name]
        node.seen = len(self.log) if everything else min(len(self.log), node.seen + some)

    # a start

    @rule(names=st.lists(st.sampled_from(PEERS), min_size=1, max_size=4), hears=st.booleans())
    def go_on(self, names: list[str], hears: bool) -> None:
        """Each of *names* in turn does what comes next for it, with all the news or with what it knew."""
        steps = {
            "off": self.publish,
            "published": self.decide,
            "elected": self.say_boot,
            "said boot": self.look_again,
            "cleared": self.bootstrap,
            "joining": self.join,
            "up": self.say_run,
            "stopping": self.end_stop,
            "crashed": self.clean_up,
        }
        for name in names:
            if hears:
                self.nodes[name].seen = len(self.log)
            step = steps.get(self.nodes[name].stage)
            if step:
                step(name)
            self.one_primary_component()

    def publish(self, name: str) -> None:
        self.nodes[name].stage = "published"
        self.write(name, self.position(name))

    def decide(self, name: str) -> None:
        # A node hears its own words before anything it could do on them: without, it is missing in its own view.
        said = self.view(name)
        if name not in said:
            return
        decision = decide(name, PEERS, said, quorate=True)
        if decision.action == "bootstrap":
            known = [p.seqno for p in said.values()]
            assert self.nodes[name].seqno >= max(known)
            self.nodes[name].stage = "elected"
        elif decision.action == "join":
            self.nodes[name].stage = "joining"
            if self.joiner_withdraws:
                self.write(name, "")

    def say_boot(self, name: str) -> None:
        self.write(name, self.position(name, BOOT))
        self.nodes[name].stage = "said boot"

    def look_again(self, name: str) -> None:
        node = self.nodes[name]
        node.seen = max(node.seen, node.wrote)
        said = self.view(name)
        ahead = any(p.phase in (BOOT, RUN) for n, p in said.items() if n != name)
        listening = any(other.cluster is not None for n, other in self.nodes.items() if n != name)
        if self.looks_again and (ahead or listening):
            self.write(name, self.position(name))
            node.stage = "published"
        else:
            node.stage = "cleared"

    def bootstrap(self, name: str) -> None:
        node = self.nodes[name]
        newest = max(n.cluster.seqno if n.cluster else n.seqno for n in self.nodes.values())
        if node.seqno < newest:
            self.lost = f"{name} bootstraps at {node.seqno}, but {newest} exists"
        node.cluster = Cluster(max(node.seqno, 0))
        node.cluster.members.add(name)
        node.safe = True
        node.stage = "up"

    def join(self, name: str) -> None:
        node = self.nodes[name]
        primary = next((n.cluster for n in self.nodes.values() if n.cluster and n.cluster.primary), None)
        if primary is None:
            # Nobody left to join: the peers are asked again.
            node.stage = "published"
            self.write(name, self.position(name))
            return
        primary.members.add(name)
        node.cluster = primary
        self.views_changed(primary)
        node.stage = "up"

    def say_run(self, name: str) -> None:
        node = self.nodes[name]
        if node.cluster and node.cluster.primary:
            self.write(name, Position(RUN, U).encode())
            node.stage = "running"

    # life and death

    def views_changed(self, cluster: Cluster) -> None:
        """Every member writes down whether it is alone in the component."""
        for name in cluster.members:
            self.nodes[name].safe = cluster.primary and len(cluster.members) == 1

    def leave(self, name: str, orderly: bool) -> None:
        node = self.nodes[name]
        cluster = node.cluster
        if cluster is None:
            return
        before = len(cluster.members)
        cluster.members.discard(name)
        node.cluster = None
        node.seqno = cluster.seqno
        # A member that vanishes takes the primary component with it, unless a majority remains.
        if not orderly and 2 * len(cluster.members) <= before and cluster.members:
            cluster.primary = False
        self.views_changed(cluster)

    @precondition(lambda self: any(n.cluster for n in self.nodes.values()))
    @rule()
    def commit(self) -> None:
        for cluster in {n.cluster for n in self.nodes.values() if n.cluster and n.cluster.primary}:
            cluster.seqno += 1

    @rule(name=st.sampled_from(PEERS))
    def crash(self, name: str) -> None:
        """The server and the agent are killed at any moment; the last word stays until Pacemaker cleans up."""
        if self.nodes[name].stage != "off":
            self.leave(name, orderly=False)
            self.nodes[name].stage = "crashed"

    def clean_up(self, name: str) -> None:
        self.write(name, "")
        self.nodes[name].stage = "off"

    @rule(name=st.sampled_from(PEERS))
    def begin_stop(self, name: str) -> None:
        if self.nodes[name].stage == "running":
            self.write(name, "")
            self.nodes[name].stage = "stopping"

    def end_stop(self, name: str) -> None:
        self.leave(name, orderly=True)
        self.nodes[name].stage = "off"

    # what must hold

    @invariant()
    def one_primary_component(self) -> None:
        alive = {n.cluster for n in self.nodes.values() if n.cluster is not None and n.cluster.primary}
        assert len(alive) <= 1, "two bootstraps alive that are not in one cluster"

    @invariant()
    def no_commit_is_lost(self) -> None:
        assert not self.lost, self.lost

    def teardown(self) -> None:
        """However it came here: stop all, start all, hear all, and exactly one is chosen."""
        if not self.nodes:
            return
        for name, node in self.nodes.items():
            self.leave(name, orderly=True)
            self.write(name, "")
            node.stage = "off"
        for name in PEERS:
            self.write(name, self.position(name))
        for node in self.nodes.values():
            node.seen = len(self.log)
        chosen = [n for n in PEERS if decide(n, PEERS, self.view(n), quorate=True).action == "bootstrap"]
        assert len(chosen) == 1
        assert self.nodes[chosen[0]].seqno == max(node.seqno for node in self.nodes.values())


Election.TestCase.settings = settings(max_examples=200, stateful_step_count=30)
TestEveryOrderOfEvents = Election.TestCase


def all_up() -> Election:
    machine = Election()
    machine.begin(True, (1, 1, 1), "", False)
    return machine


def killed_while_joining(machine: Election) -> None:
    """n1 joins, outlives the others and is killed before it said 'run'; the others come back while it is down."""
    machine.begin_stop("n1")
    machine.go_on(["n1"] * 4, True)
    assert machine.nodes["n1"].stage == "up"
    for name in ("n2", "n3"):
        machine.commit()
        machine.begin_stop(name)
        machine.go_on([name], True)
    machine.commit()
    machine.crash("n1")
    for _ in range(6):
        machine.go_on(["n2", "n3"], True)


def decides_on_old_news(machine: Election) -> None:
    """n1 crashes after a bootstrap and comes back, having heard of the others only what they said before it."""
    for name in PEERS:
        machine.crash(name)
    machine.go_on(list(PEERS) * 2, True)
    machine.go_on(["n1"], True)
    machine.go_on(["n1"] * 4, False)
    for _ in range(3):
        machine.go_on(["n2", "n3"], True)
    assert all(machine.nodes[name].cluster for name in PEERS)
    machine.crash("n1")
    machine.go_on(["n1"] * 6, False)


def test_the_machine_knows_a_lost_commit() -> None:
    machine = all_up()
    killed_while_joining(machine)
    machine.no_commit_is_lost()
    machine = all_up()
    machine.joiner_withdraws = False
    killed_while_joining(machine)
    assert machine.lost == "n3 bootstraps at 3, but 4 exists"


def test_the_machine_knows_a_second_bootstrap() -> None:
    machine = all_up()
    decides_on_old_news(machine)
    machine.no_commit_is_lost()
    machine = all_up()
    machine.looks_again = False
    with pytest.raises(AssertionError, match="two bootstraps alive"):
        decides_on_old_news(machine)


# --- the agent keeps to the protocol that the machine above assumes

GALERA = {"peers": "n1=10.0.0.1 n2=10.0.0.2 n3=10.0.0.3", "binary": "/usr/sbin/mariadbd"}
ATTRIBUTE = "quorate-g"


def agent_on(host: FakeHost, timeout: float = 60) -> Galera:
    host.files.put("/usr/sbin/mariadbd", mode=0o755)
    host.files.put("/var/lib/mysql/grastate.dat", f"# GALERA\nuuid:    {U}\nseqno:   10\nsafe_to_bootstrap: 0\n")
    host.files.folders |= {"/run/quorate", "/var/lib/mysql"}
    called = context(host, "start", instance="g", timeout=timeout, log=KeptLog(), node="n1")
    return Galera(called, Params(Galera.parameters, GALERA))


def test_the_agent_reads_its_position() -> None:
    cluster = FakeCluster(PEERS)
    position = agent_on(FakeHost("n1", cluster))._position()
    assert (position.phase, position.uuid, position.seqno, position.safe) == (WAIT, U, 10, False)


def test_the_agent_does_not_bootstrap_beside_a_peer_that_said_so_first() -> None:
    cluster = FakeCluster(PEERS)
    host = FakeHost("n1", cluster)
    agent = agent_on(host)
    cluster.write("n2", ATTRIBUTE, Position(BOOT, U, 10, False).encode())
    assert agent._bootstrap(wait(10)) is False
    assert host.spawned == []
    # It takes its claim back.
    assert cluster.views["n2"][ATTRIBUTE, "n1"] == wait(10).encode()


def test_the_agent_does_not_bootstrap_beside_an_open_group_port() -> None:
    cluster = FakeCluster(PEERS)
    host = FakeHost("n1", cluster)
    agent = agent_on(host)
    host.serve(("10.0.0.3", 4567))
    assert agent._bootstrap(wait(10)) is False
    assert host.spawned == []


def test_the_agent_looks_again_only_when_its_own_word_has_come_back() -> None:
    # attrd acknowledges an update before it has come back from the
    # cluster (Pacemaker before 2.1.6 always does, and later without --wait), so an immediate query shows neither our
    # own word nor the one that a peer wrote just before it. Once our own word is there, all that was ordered before it
    # is there as well.
    cluster = FakeCluster(PEERS)
    cluster.delay = {"n1": 0.3}
    host = FakeHost("n1", cluster)
    agent = agent_on(host)
    cluster.write("n2", ATTRIBUTE, Position(BOOT, U, 10, False).encode())
    try:
        bootstrapped = agent._bootstrap(wait(10))
    except OcfError:
        bootstrapped = True
    assert host.spawned == [], "n2 had said 'boot' before n1 did, and both start a primary component"
    assert bootstrapped is False


def test_a_joiner_takes_back_what_it_said_of_its_data() -> None:
    # the joiner's server moves on while its published position stays. Killed
    # before it said 'run' (n1: 10 published, 25 on disk), the others compare themselves with 10 and bootstrap without
    # what only n1 has.
    cluster = FakeCluster(PEERS)
    host = FakeHost("n1", cluster)
    agent = agent_on(host, timeout=30)
    agent._publish(wait(10))
    cluster.write("n2", ATTRIBUTE, RUNS.encode())
    host.serve(("10.0.0.2", 4567))
    said: list[str | None] = []
    host.behave = lambda process: said.append(cluster.views["n2"].get((ATTRIBUTE, "n1")))
    with pytest.raises(OcfError, match="waited"):
        agent._join(wait(10))
    assert len(host.spawned) == 1
    assert said[0] is None or not said[0].startswith(WAIT), f"n1's server runs, and n1 still says {said[0]}"


def test_a_node_with_the_data_of_another_cluster_does_not_join_and_lose_it() -> None:
    other = "11111111-1111-1111-1111-111111111111"
    mine = Position(WAIT, other, 5)
    decision = decide("n1", ("n1", "n2"), {"n1": mine, "n2": Position("run", NO_UUID)}, quorate=True)
    assert decision.action == "join"
    decision = decide("n1", ("n1", "n2"), {"n1": mine, "n2": Position("run", other)}, quorate=True)
    assert decision.action == "join"
    ours = "22222222-2222-2222-2222-222222222222"
    decision = decide("n1", ("n1", "n2"), {"n1": mine, "n2": Position("run", ours)}, quorate=True)
    assert decision.action == "refuse"
    assert other in decision.why
    assert ours in decision.why
