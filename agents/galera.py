"""MariaDB with Galera: every node a writable master of one replicated database."""

from __future__ import annotations

from quorate.agents.galera_election import (
    BOOT,
    GONE,
    JOIN,
    NO_UUID,
    OUT,
    RUN,
    WAIT,
    Decision,
    Position,
    decide,
    forsaken,
    outside,
    stranded,
)
from quorate.agents.peers import PEERS, Clustered
from quorate.lib import mysql
from quorate.lib import process as processes
from quorate.lib.daemon import BASE_PATH, GENTLE, Command
from quorate.lib.daemon import RUN as RUN_FOLDER
from quorate.lib.deadline import Deadline
from quorate.lib.declare import Action, Parameter
from quorate.lib.probe import ProbeError, accepts
from quorate.lib.process import TAG, look_recorded
from quorate.lib.rc import DEGRADED, ERR_ARGS, ERR_GENERIC, OcfError

STATUS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN"
    " ('wsrep_cluster_status','wsrep_ready','wsrep_local_state_comment','wsrep_cluster_state_uuid')"
)
# Between two looks at what the peers say. Each look starts a few of Pacemaker's commands.
ELECTION_POLL = 0.5
# Seconds to wait for peers that nobody starts while this start is under way: it ends, and all start together.
PATIENCE = 15.0
# The same beside a peer that runs outside the primary component: Pacemaker is only waiting to stop it.
HURRY = 3.0
# Seconds after which the members have given up one that left without a word (Galera's suspect timeout is 5 s, and its
# messages take a moment). One that comes back sooner meets its own dead self in their view, and while they sort that
# out they answer every query with an error.
EVICTION = 6.5
# 'Too many connections', of all users or of one: the server serves, and a restart would send its clients elsewhere.
FULL = (1040, 1203, 1226)
PEER_TIMEOUT = 1.0
# A joiner that finds nobody of a primary component is given up after this long (s), and the peers are asked again.
LONELY = 20.0
# A joiner that is given up waits for nothing that it could save (s).
GIVEN_UP = 8.0


class Galera(Clustered):
    name = "galera"
    shortdesc = "Manages a MariaDB Galera cluster, active on every node"
    longdesc = (
        "Runs MariaDB with Galera replication on every node, as a plain (not promotable) clone. The first node to "
        "start a new primary component is elected by the position that its data directory holds: every node publishes "
        "its own, and only the best of all bootstraps; the others join it. A node never bootstraps while another one "
        "runs, bootstraps, or has not said yet what it holds. The data directory is never deleted. The monitor asks "
        "the server for its Galera state over the local socket, as a database user that the server knows by its "
        "system user: no password is needed, and none is kept."
    )
    parameters = (
        PEERS,
        Parameter("binary", default="/usr/sbin/mariadbd", shortdesc="Server program", longdesc="The MariaDB server."),
        Parameter("user", default="mysql", shortdesc="User", longdesc="The system user that the server runs as."),
        Parameter(
            "datadir",
            default="/var/lib/mysql",
            shortdesc="Data directory",
            unique_group="datadir",
            longdesc="The data directory. It must have been initialised (mariadb-install-db).",
        ),
        Parameter(
            "socket",
            default="/run/mysqld/mysqld.sock",
            shortdesc="UNIX socket",
            longdesc="The server's UNIX socket, which the monitor uses.",
        ),
        Parameter(
            "pid_file",
            default="/run/mysqld/mysqld.pid",
            shortdesc="Server's own pid file",
            longdesc="Where the server writes its pid; the agent keeps its own record.",
        ),
        Parameter(
            "port",
            "integer",
            "3306",
            shortdesc="Client port",
            longdesc="The TCP port for clients.",
            unique_group="address",
            minimum=1,
            maximum=65535,
        ),
        Parameter(
            "group_port",
            "integer",
            "4567",
            shortdesc="Group communication port",
            minimum=1,
            maximum=65535,
            longdesc="The TCP port of Galera's group communication, the same on all nodes.",
        ),
        Parameter(
            "monitor_user",
            default="root",
            shortdesc="Database user of the monitor",
            longdesc="A database user that is identified by unix_socket as root.",
        ),
        Parameter(
            "options",
            default="",
            shortdesc="More server options",
            longdesc="Options that are added to the server's command line, separated by blanks. No secrets: a command "
            "line is public.",
        ),
        Parameter(
            "probe_timeout",
            "time",
            "5s",
            shortdesc="Monitor's patience",
            minimum=1,
            maximum=300,
            longdesc="How long the monitor waits for the answer before it calls the server hung.",
            reloadable=True,
        ),
        Parameter(
            "grace",
            "time",
            "30s",
            shortdesc="Patience with a non-primary component",
            minimum=0,
            maximum=3600,
            longdesc="A node outside the primary component is reported as degraded for this long, so that the members "
            "can find each other again, and as failed after it.",
            reloadable=True,
        ),
        Parameter(
            "log",
            default="/var/log/mysql/error.log",
            shortdesc="Log file",
            longdesc="The server's error log, quoted when a start fails.",
            reloadable=True,
        ),
    )
    actions = (
        Action("start", 300),
        Action("stop", 120),
        # As often beside a sentinel: a node that left the primary component tells its peers by its monitor.
        Action("monitor", 20, interval=10, depth=0, watched_interval=10),
        Action("reload-agent", 20),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )
    # A start that waits for its peers in vain ends as a failure, to make room for theirs: a few of these are part of a
    # recovery, and no reason to keep a member away.
    meta = (("failure-timeout", "120s"), ("migration-threshold", "60"))

    # --- validation

    def validate(self) -> None:
        super().validate()
        datadir = self.params.text("datadir")
        if not self.host.files.exists(f"{datadir}/mysql"):
            raise OcfError(ERR_ARGS, f"{datadir} holds no initialised database on this host (parameter datadir)")

    # --- the server

    def command(self) -> Command:
        return self._command("")

    def _command(self, *extra: str) -> Command:
        p = self.params
        peers = self.peers()
        node = self.node()
        argv = [
            p.text("binary"),
            f"--user={p.text('user')}",
            f"--datadir={p.text('datadir')}",
            f"--socket={p.text('socket')}",
            f"--pid-file={p.text('pid_file')}",
            f"--port={p.number('port')}",
            f"--wsrep-node-name={node}",
            f"--wsrep-node-address={peers[node]}:{p.number('group_port')}" if node in peers else "",
            *p.text("options").split(),
            *extra,
        ]
        return Command([word for word in argv if word], log=p.text("log"))

    def prepare(self) -> None:
        for name in ("socket", "pid_file"):
            self.host.files.make_dir(self.params.text(name).rpartition("/")[0], 0o755, self.params.text("user"))

    def listens_on(self) -> tuple[str, int]:
        return ("127.0.0.1", self.params.number("port"))

    # --- the start: election, then bootstrap or join

    def launch(self) -> None:
        mine = self._position()
        self._publish(mine)
        self.log.info(f"start: this node's data is at {mine.uuid}:{mine.seqno} (safe to bootstrap: {mine.safe})")
        before = ""
        hopeful = self.host.clock.monotonic()
        while True:
            said = self._said()
            decision = self._decide(said)
            now = self.host.clock.monotonic()
            if decision.action != "wait" or not forsaken(self.node(), tuple(self.peers()), said):
                hopeful = now
            patience = HURRY if outside(self.node(), said) else PATIENCE
            if now - hopeful > patience:
                raise OcfError(ERR_GENERIC, f"nothing to join or bootstrap for {patience:.0f} s: {decision.why}")
            if repr(decision) != before:
                self.log.info(f"start: {decision}")
                before = repr(decision)
            if decision.action == "refuse":
                raise OcfError(ERR_GENERIC, decision.why)
            if decision.action == "bootstrap" and self._bootstrap(mine):
                return
            if decision.action == "join" and self._evicted():
                if self._join(mine):
                    return
                # Its data may have moved while it tried.
                mine = self._position()
                self._publish(mine)
            if self.deadline.remaining() < 2 * ELECTION_POLL:
                raise OcfError(ERR_GENERIC, f"waited {self.deadline.length:.0f} s to join or bootstrap: {decision.why}")
            self.host.clock.sleep(ELECTION_POLL)

    def _decide(self, said: dict[str, Position]) -> Decision:
        return decide(self.node(), tuple(self.peers()), said, quorate=self.host.attributes.quorate())

    def _said(self) -> dict[str, Position]:
        """What the nodes say; 'run' of those whose group port does not answer is 'gone'."""
        peers = self.peers()
        said: dict[str, Position] = {}
        for node, text in self.published().items():
            position = Position.decode(text)
            if position is None or node not in peers:
                continue
            if position.phase == RUN and not accepts(
                self.host, (peers[node], self.params.number("group_port")), PEER_TIMEOUT
            ):
                position = Position(GONE, position.uuid)
            said[node] = position
        return said

    def _bootstrap(self, mine: Position) -> bool:
        """Start a new primary component. False if another node turned out to be ahead of us."""
        self._publish(Position(BOOT, mine.uuid, mine.seqno, mine.safe))
        # attrd orders all writes alike on all nodes, but answers before its own have come back. Once ours is seen,
        # so is everything written before it: of two nodes that both got here, the second to write sees the first.
        while True:
            said = self._said()
            if self.node() in said and said[self.node()].phase == BOOT:
                break
            if self.deadline.remaining() < ELECTION_POLL:
                raise OcfError(ERR_GENERIC, "the cluster did not take this node's word that it bootstraps")
            self.host.clock.sleep(ELECTION_POLL / 5)
        # Held again over what was heard meanwhile: a node that had not said anything yet may hold newer data.
        decision = self._decide(said)
        listening = [
            n
            for n, address in self.peers().items()
            if n != self.node() and accepts(self.host, (address, self.params.number("group_port")), PEER_TIMEOUT)
        ]
        if decision.action != "bootstrap" or listening:
            self._publish(mine)
            why = f"{listening[0]} is up" if listening else decision.why
            self.log.warning(f"start: not bootstrapping, {why}")
            return False
        self._mark_safe()
        self.spawn(self._command("--wsrep-cluster-address=gcomm://", "--wsrep-new-cluster", *_start_at(mine)))
        self.await_answer(self.deadline)
        self.found_running()
        return True

    def _cluster_address(self) -> str:
        addresses = ",".join(f"{address}:{self.params.number('group_port')}" for address in self.peers().values())
        return f"--wsrep-cluster-address=gcomm://{addresses}"

    def _join(self, mine: Position) -> bool:
        """Join the peers. False if they were gone before we were in; the server is stopped then."""
        # From here on the data moves: a position published earlier must not decide who is ahead of whom.
        self._publish(Position(JOIN, mine.uuid))
        self.spawn(self._command(self._cluster_address(), *_start_at(mine)))
        alone_since = self.host.clock.monotonic()
        while True:
            seen = self.attempt_join()
            if not seen:
                self.found_running()
                return True
            now = self.host.clock.monotonic()
            said = self._said()
            if any(p.phase in (RUN, BOOT) for n, p in said.items() if n != self.node()):
                alone_since = now
            if now - alone_since > (HURRY if outside(self.node(), said) else LONELY):
                self.log.warning(f"start: no peer is left to join ({seen}); asking the peers again")
                self._give_up()
                return False
            if self.deadline.passed():
                raise OcfError(
                    ERR_GENERIC, f"waited {self.deadline.length:.0f} s to join, but {seen}{self.last_words()}"
                )
            self.host.clock.sleep(ELECTION_POLL)

    def _give_up(self) -> None:
        """End the server that could not join."""
        record = self.record()
        patience = Deadline(self.host.clock, self.deadline.at_most(GIVEN_UP))
        processes.end(self.host, lambda: self.members(record), record.pid if record else 0, patience, GENTLE)

    def attempt_join(self) -> str:
        """Like an attempt, but a server that ended while its peers vanished is asked to try again, not failed."""
        try:
            return self.attempt()
        except OcfError:
            record = self.record()
            peers_up = any(p.phase == RUN for n, p in self._said().items() if n != self.node())
            if peers_up or (record and look_recorded(self.host, record)):
                raise
            return "the server ended and no peer runs"

    def _position(self) -> Position:
        """What the data directory holds; asks the server to recover it where the last end was not in good order."""
        path = f"{self.params.text('datadir')}/grastate.dat"
        uuid, seqno, safe = NO_UUID, -1, False
        try:
            text = self.host.files.read(path).decode("utf-8", "replace")
        except FileNotFoundError:
            return Position(WAIT)
        for line in text.splitlines():
            key, _, value = line.partition(":")
            value = value.strip()
            if key == "uuid":
                uuid = value
            elif key == "seqno" and value.lstrip("-").isdigit():
                seqno = int(value)
            elif key == "safe_to_bootstrap":
                safe = value == "1"
        if seqno < 0 and uuid != NO_UUID:
            uuid, seqno = self._recover(uuid)
        return Position(WAIT, uuid, seqno, safe)

    def _recover(self, uuid: str) -> tuple[str, int]:
        """The position that InnoDB's own log gives after a crash. Raises OcfError if the server cannot tell."""
        result = self.host.run(
            [*self._command(self._cluster_address()).argv, "--wsrep-recover", "--skip-log-error", "--skip-networking"],
            timeout=self.deadline.share(0.5).remaining(),
            # Tagged, so that a stop finds it if this agent is killed meanwhile.
            env={"PATH": BASE_PATH, "LANG": "C.UTF-8", TAG: self.context.instance},
        )
        for line in reversed((result.err + result.out).splitlines()):
            _, marker, value = line.partition("Recovered position:")
            if marker:
                found, _, number = value.strip().partition(":")
                number = number.partition(",")[0]
                if number.lstrip("-").isdigit():
                    return found, int(number)
        raise OcfError(ERR_GENERIC, f"the server cannot tell the position of its data ({uuid}): {result.words()}")

    def _mark_safe(self) -> None:
        """Tell the server that it may bootstrap: it refuses where another node had left last."""
        path = f"{self.params.text('datadir')}/grastate.dat"
        try:
            text = self.host.files.read(path).decode("utf-8")
        except FileNotFoundError:
            return
        if "safe_to_bootstrap: 0" not in text:
            return
        self.log.info("start: marking this node's data as safe to bootstrap, the election found it newest")
        self.host.files.write(path, text.replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1").encode(), 0o640)
        self.host.files.give(path, self.params.text("user"))

    # --- what is published

    def _publish(self, position: Position) -> None:
        self.publish(position.encode())

    def found_running(self) -> None:
        try:
            uuid = self.status(self.probe_deadline()).get("wsrep_cluster_state_uuid", NO_UUID)
        except ProbeError as error:
            raise OcfError(ERR_GENERIC, error.seen) from None
        self._publish(Position(RUN, uuid))

    # --- how the last server left

    def stop(self) -> None:
        super().stop()
        # The server takes this file away when it leaves in good order.
        if self.host.files.exists(f"{self.params.text('datadir')}/gvwstate.dat"):
            try:
                self.host.files.make_dir(RUN_FOLDER, 0o700)
                self.host.files.write(self._died_path(), b"%.3f\n" % self.host.clock.monotonic())
            except OSError as error:
                self.log.warning(f"stop: {self._died_path()} cannot be written: {error.strerror}")

    def _died_path(self) -> str:
        return f"{RUN_FOLDER}/{self.context.instance}.died"

    def _evicted(self) -> bool:
        """Whether the members have had the time to give up a server of ours that left without a word."""
        try:
            since = self.host.clock.monotonic() - float(self.host.files.read(self._died_path()))
        except (OSError, ValueError):
            return True
        # Less than nothing: that was before the machine booted.
        if 0 <= since < EVICTION:
            return False
        self.host.files.remove(self._died_path())
        return True

    # --- the monitor

    def glance(self, deadline: Deadline) -> str:
        """Only whether the server answers: what a state outside the component means is the monitor's to decide."""
        try:
            self.ask(deadline)
        except NotServing:
            return ""
        except ProbeError as error:
            return "" if self.diagnose(error).rc == DEGRADED else error.seen
        return ""

    def status(self, deadline: Deadline) -> dict[str, str]:
        p = self.params
        rows = mysql.query(self.host, p.text("socket"), p.text("monitor_user"), STATUS, deadline)
        return {row[0]: row[1] for row in rows}

    def ask(self, deadline: Deadline) -> dict[str, str]:
        """The server's status if it serves as a member. Raises ProbeError."""
        status = self.status(deadline)
        component = status.get("wsrep_cluster_status", "")
        if component != "Primary":
            raise NotPrimary(
                f"the node is outside the primary component ({component or 'wsrep is off'})",
                status.get("wsrep_cluster_state_uuid", NO_UUID),
            )
        if status.get("wsrep_ready") != "ON":
            state = status.get("wsrep_local_state_comment", "unknown")
            raise NotReady(
                f"the server does not take queries yet (Galera state {state})",
                status.get("wsrep_cluster_state_uuid", NO_UUID),
            )
        return status

    def probe_service(self, deadline: Deadline) -> None:
        try:
            uuid = self.ask(deadline).get("wsrep_cluster_state_uuid", NO_UUID)
        except NotReady as error:
            self._back_inside(error.uuid)
            raise
        self._back_inside(uuid)

    def diagnose(self, error: ProbeError) -> OcfError:
        if self.context.action == "start":
            return super().diagnose(error)
        if isinstance(error, NotPrimary):
            return self._left_outside(error)
        if isinstance(error, NotReady) or (isinstance(error, mysql.SqlError) and error.code in FULL):
            return OcfError(DEGRADED, error.seen)
        transfer = [p for p in self.members(self.record()) if p.comm.startswith("wsrep_sst")]
        if error.refused and transfer:
            return OcfError(DEGRADED, "a state transfer is in progress")
        return super().diagnose(error)

    def _left_outside(self, error: NotPrimary) -> OcfError:
        """Say so to the peers, and wait for the members to find each other; not while a peer waits for our data."""
        now = self.host.clock.time()
        for_seconds = now - self._outside_since(now)
        try:
            self._publish(Position(OUT, error.uuid))
            needed = stranded(self.node(), self._said())
        except OcfError as away:
            self.log.warning(f"{self.context.action}: {away.reason}")
            needed = False
        if needed:
            return OcfError(ERR_GENERIC, f"{error.seen}, and a peer waits for what this node's data directory holds")
        if for_seconds < self.params.seconds("grace"):
            return OcfError(DEGRADED, f"{error.seen} for {for_seconds:.0f} s")
        return super().diagnose(error)

    def _outside_path(self) -> str:
        return f"{RUN_FOLDER}/{self.context.instance}.outside"

    def _outside_since(self, now: float) -> float:
        """When (s since the epoch) the node was first seen outside the primary component."""
        try:
            return float(self.host.files.read(self._outside_path()))
        except (OSError, ValueError):
            self.host.files.write(self._outside_path(), b"%.3f\n" % now)
            return now

    def _back_inside(self, uuid: str) -> None:
        """The server is in the primary component: the patience with it starts anew, and the peers are told."""
        if not self.host.files.exists(self._outside_path()):
            return
        if self.context.action == "monitor":
            try:
                self._publish(Position(RUN, uuid))
            except OcfError as away:
                # The mark stays, so that the next monitor tells them.
                self.log.warning(f"monitor: {away.reason}")
                return
        self.host.files.remove(self._outside_path())


def _start_at(position: Position) -> tuple[str, ...]:
    """After a crash the server does not know its own position, and would begin a history with a new UUID."""
    if position.fresh or position.seqno < 0:
        return ()
    return (f"--wsrep-start-position={position.uuid}:{position.seqno}",)


class NotServing(ProbeError):
    """The server answers, but serves nobody; *uuid* is that of the cluster whose data it has."""

    def __init__(self, seen: str, uuid: str) -> None:
        super().__init__(seen)
        self.uuid = uuid


class NotPrimary(NotServing):
    """It is outside the primary component."""


class NotReady(NotServing):
    """It is within the primary component, but not ready yet."""
