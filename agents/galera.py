"""MariaDB with Galera: every node a writable master of one replicated database."""

from __future__ import annotations

from quorate.agents.galera_election import BOOT, GONE, JOIN, NO_UUID, RUN, WAIT, Position, decide
from quorate.agents.peers import PEERS, Clustered
from quorate.lib import mysql
from quorate.lib.daemon import BASE_PATH, Command
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
# Seconds to wait for peers none of which is starting or running. While a start is under way Pacemaker begins nothing
# new, so peers that failed a moment later are started only when this start has ended: it ends, and all start together.
PATIENCE = 15.0
# 'Too many connections', of all users or of one: the server serves, and a restart would send its clients elsewhere.
FULL = (1040, 1203, 1226)
PEER_TIMEOUT = 1.0
# A joiner that finds nobody of a primary component is given up after this long (s), and the peers are asked again.
LONELY = 20.0


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
        Action("monitor", 20, interval=10, depth=0),
        Action("reload-agent", 20),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )

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
            decision = decide(self.node(), tuple(self.peers()), said, quorate=self.host.attributes.quorate())
            now = self.host.clock.monotonic()
            absent = [n for n in self.peers() if n not in said or said[n].phase == GONE]
            coming = any(said[n].phase in (BOOT, JOIN) for n in said if n != self.node())
            if decision.action != "wait" or coming or not absent:
                hopeful = now
            if now - hopeful > PATIENCE:
                raise OcfError(ERR_GENERIC, f"nothing to join or bootstrap for {PATIENCE:.0f} s: {decision.why}")
            if repr(decision) != before:
                self.log.info(f"start: {decision}")
                before = repr(decision)
            if decision.action == "refuse":
                raise OcfError(ERR_GENERIC, decision.why)
            if decision.action == "bootstrap" and self._bootstrap(mine):
                return
            if decision.action == "join" and self._join(mine):
                return
            if self.deadline.remaining() < 2 * ELECTION_POLL:
                raise OcfError(ERR_GENERIC, f"waited {self.deadline.length:.0f} s to join or bootstrap: {decision.why}")
            self.host.clock.sleep(ELECTION_POLL)

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
        others = {n: p for n, p in said.items() if n != self.node()}
        ahead = [n for n, p in others.items() if p.phase in (BOOT, RUN)]
        listening = [
            n
            for n, address in self.peers().items()
            if n != self.node() and accepts(self.host, (address, self.params.number("group_port")), PEER_TIMEOUT)
        ]
        if ahead or listening or not self.host.attributes.quorate():
            self._publish(mine)
            why = f"{(ahead + listening)[0]} is up" if ahead or listening else "quorum was lost"
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
        """Join the peers. False if they were gone before we were in."""
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
            if any(p.phase in (RUN, BOOT) for n, p in self._said().items() if n != self.node()):
                alone_since = now
            if now - alone_since > LONELY:
                self.log.warning(f"start: no peer is left to join ({seen}); asking the peers again")
                self._end(self.record())
                self._publish(self._position())
                return False
            if self.deadline.passed():
                raise OcfError(
                    ERR_GENERIC, f"waited {self.deadline.length:.0f} s to join, but {seen}{self.last_words()}"
                )
            self.host.clock.sleep(ELECTION_POLL)

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
            uuid = self.status().get("wsrep_cluster_state_uuid", NO_UUID)
        except ProbeError as error:
            raise OcfError(ERR_GENERIC, error.seen) from None
        self._publish(Position(RUN, uuid))

    # --- the monitor

    def status(self) -> dict[str, str]:
        p = self.params
        rows = mysql.query(self.host, p.text("socket"), p.text("monitor_user"), STATUS, self.probe_deadline())
        return {row[0]: row[1] for row in rows}

    def probe_service(self, deadline: Deadline) -> None:
        p = self.params
        rows = mysql.query(self.host, p.text("socket"), p.text("monitor_user"), STATUS, deadline)
        status = {row[0]: row[1] for row in rows}
        component = status.get("wsrep_cluster_status", "")
        if component != "Primary":
            raise NotPrimary(f"the node is outside the primary component ({component or 'wsrep is off'})")
        self._outside_since(None)
        if status.get("wsrep_ready") != "ON":
            state = status.get("wsrep_local_state_comment", "unknown")
            raise NotReady(f"the server does not take queries yet (Galera state {state})")

    def diagnose(self, error: ProbeError) -> OcfError:
        if self.context.action == "start":
            return super().diagnose(error)
        if isinstance(error, NotPrimary):
            since = self._outside_since(self.host.clock.time())
            for_seconds = self.host.clock.time() - since
            if for_seconds < self.params.seconds("grace"):
                return OcfError(DEGRADED, f"{error.seen} for {for_seconds:.0f} s")
        if isinstance(error, NotReady) or (isinstance(error, mysql.SqlError) and error.code in FULL):
            return OcfError(DEGRADED, error.seen)
        transfer = [p for p in self.members(self.record()) if p.comm.startswith("wsrep_sst")]
        if error.refused and transfer:
            return OcfError(DEGRADED, "a state transfer is in progress")
        return super().diagnose(error)

    def _outside_since(self, now: float | None) -> float:
        """When the node was first seen outside the primary component; None forgets it."""
        path = f"{RUN_FOLDER}/{self.context.instance}.outside"
        if now is None:
            if self.host.files.exists(path):
                self.host.files.remove(path)
            return 0.0
        try:
            return float(self.host.files.read(path))
        except (OSError, ValueError):
            self.host.files.write(path, b"%.3f\n" % now)
            return now


def _start_at(position: Position) -> tuple[str, ...]:
    """After a crash the server does not know its own position, and would begin a history with a new UUID."""
    if position.fresh or position.seqno < 0:
        return ()
    return (f"--wsrep-start-position={position.uuid}:{position.seqno}",)


class NotPrimary(ProbeError):
    """The server answers, but outside the primary component."""


class NotReady(ProbeError):
    """The server answers from within the primary component, but does not serve yet."""
