"""RabbitMQ: one cluster over all nodes, with replicated queues."""

from __future__ import annotations

from quorate.agents.peers import PEERS, Clustered
from quorate.agents.rabbitmq_forming import DATA, FORM, FRESH, RUN, Decision, decide, forsaken, waits
from quorate.lib.daemon import Command
from quorate.lib.deadline import Deadline
from quorate.lib.declare import Action, Parameter
from quorate.lib.probe import accepts, amqp_start
from quorate.lib.rc import DEGRADED, ERR_ARGS, ERR_GENERIC, ERR_INSTALLED, OcfError

FORMING_POLL = 0.5
PEER_TIMEOUT = 1.0
# Seconds to wait for a peer that nobody starts while this start is under way: it ends, and all start together.
PATIENCE = 30.0
# As many of the broker's last lines are looked through for what it waits for.
LOG_LINES = 400
CTL_TIMEOUT = 30.0


class RabbitMQ(Clustered):
    name = "rabbitmq"
    shortdesc = "Manages a RabbitMQ cluster with replicated queues, active on every node"
    longdesc = (
        "Runs RabbitMQ on every node and keeps all of them in one cluster. A node that was a member before starts with "
        "its data and finds its peers again; a fresh node joins the cluster that runs; when every node is fresh, the "
        "first of the peers forms the cluster and the others join it. No data is ever deleted: a node that could not "
        "be brought into the running cluster has its (new, empty) data directory moved aside. A policy mirrors the "
        "classic queues over the nodes. All nodes must share the Erlang cookie. The monitor reads the broker's AMQP "
        "greeting; at check level 10 it asks the broker for partitions and alarms."
    )
    parameters = (
        PEERS,
        Parameter(
            "binary",
            default="/usr/lib/rabbitmq/bin/rabbitmq-server",
            shortdesc="Server program",
            longdesc="RabbitMQ's own start script (not the wrapper in /usr/sbin, which changes user again).",
        ),
        Parameter(
            "ctl", default="/usr/sbin/rabbitmqctl", shortdesc="Control program", longdesc="The rabbitmqctl program."
        ),
        Parameter("user", default="rabbitmq", shortdesc="User", longdesc="The system user that the broker runs as."),
        Parameter(
            "home",
            default="/var/lib/rabbitmq",
            shortdesc="Home folder",
            unique_group="home",
            longdesc="The folder that holds the Erlang cookie and the database (in 'mnesia').",
        ),
        Parameter(
            "nodename",
            default="rabbit",
            shortdesc="First part of the Erlang node name",
            longdesc="Each broker is 'nodename@node', with the node's name in Pacemaker's cluster, which must resolve.",
        ),
        Parameter(
            "port",
            "integer",
            "5672",
            shortdesc="AMQP port",
            longdesc="The TCP port of AMQP.",
            unique_group="address",
            minimum=1,
            maximum=65535,
        ),
        Parameter(
            "distribution_port",
            "integer",
            "25672",
            shortdesc="Cluster port",
            minimum=1,
            maximum=65535,
            longdesc="The TCP port the brokers talk to each other on, the same on all nodes.",
        ),
        Parameter(
            "mirror",
            "select",
            "all",
            choices=("all", "none"),
            shortdesc="Mirror classic queues",
            longdesc="'all' sets a policy that mirrors classic queues on every node (RabbitMQ before 4.0); 'none' sets "
            "no policy: for quorum queues, which replicate by themselves.",
            reloadable=True,
        ),
        Parameter(
            "mirror_pattern",
            default=r"^(?!amq\.)(?!reply_)(?!.*_fanout_).*",
            shortdesc="Names of mirrored queues",
            longdesc="A regular expression over queue names. The default leaves out the server's own queues and "
            "OpenStack's reply and fanout queues, which live as short as their one consumer.",
            reloadable=True,
        ),
        Parameter(
            "probe_timeout",
            "time",
            "5s",
            shortdesc="Monitor's patience",
            minimum=1,
            maximum=300,
            longdesc="How long the monitor waits for the broker's greeting before it calls the broker hung.",
            reloadable=True,
        ),
        Parameter(
            "log",
            default="/var/log/rabbitmq/{nodename}@{node}.log",
            shortdesc="Log file",
            longdesc="The broker's log, quoted when a start fails, and read for whether the broker waits for a peer; "
            "{nodename} stands for the parameter of that name and {node} for the node's name.",
            reloadable=True,
        ),
    )
    actions = (
        Action("start", 240),
        Action("stop", 120),
        Action("monitor", 20, interval=10, depth=0),
        Action("monitor", 60, interval=60, depth=10),
        Action("reload-agent", 60),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )
    # A start that waits for its peers in vain ends as a failure, to make room for theirs: a few of these are part of a
    # recovery, and no reason to keep a member away.
    meta = (("failure-timeout", "120s"), ("migration-threshold", "60"))
    helpers = ("epmd",)
    # The broker warns in its log of every greeting that comes to nothing; of a bare connection it says nothing.
    exchange_every = 10
    POLICY = "quorate-mirror"

    # --- validation

    def validate(self) -> None:
        super().validate()
        if not self.host.files.executable(self.params.text("ctl")):
            raise OcfError(ERR_INSTALLED, f"{self.params.text('ctl')} is not installed on this host (parameter ctl)")
        cookie = f"{self.params.text('home')}/.erlang.cookie"
        if not self.host.files.exists(cookie):
            raise OcfError(ERR_ARGS, f"{cookie} does not exist on this host: the nodes must share one (parameter home)")

    # --- the broker

    def broker(self, node: str) -> str:
        """The Erlang name of *node*'s broker."""
        return f"{self.params.text('nodename')}@{node}"

    def data_path(self) -> str:
        return f"{self.params.text('home')}/mnesia/{self.broker(self.node())}"

    def environment(self) -> dict[str, str]:
        return {
            "HOME": self.params.text("home"),
            "RABBITMQ_NODENAME": self.broker(self.node()),
            "RABBITMQ_NODE_PORT": str(self.params.number("port")),
            "RABBITMQ_DIST_PORT": str(self.params.number("distribution_port")),
            "RABBITMQ_PID_FILE": f"/run/rabbitmq/{self.context.instance}.pid",
            # Makes the start script become the virtual machine instead of staying its parent: one pid to know.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def command(self) -> Command:
        return self._command(())

    def _command(self, join: tuple[str, ...]) -> Command:
        env = self.environment()
        if join:
            names = ",".join(f"'{self.broker(node)}'" for node in join)
            env["RABBITMQ_SERVER_START_ARGS"] = f"-rabbit cluster_nodes {{[{names}],disc}}"
        p = self.params
        log = p.text("log").replace("{nodename}", p.text("nodename")).replace("{node}", self.node())
        return Command([p.text("binary")], user=p.text("user"), env=env, cwd=p.text("home"), log=log)

    def prepare(self) -> None:
        self.host.files.make_dir("/run/rabbitmq", 0o755, self.params.text("user"))

    def listens_on(self) -> tuple[str, int]:
        return ("127.0.0.1", self.params.number("port"))

    def probe_service(self, deadline: Deadline) -> None:
        amqp_start(self.host, ("127.0.0.1", self.params.number("port")), deadline)

    def glance(self, deadline: Deadline) -> str:
        seen = super().glance(deadline)
        addresses = [("127.0.0.1", self.params.number(name)) for name in ("port", "distribution_port")]
        if seen and [accepts(self.host, each, PEER_TIMEOUT) for each in addresses] == [False, True]:
            # The machine below the broker lives and lets no client in: so it waits when it is cut off from the
            # majority, and comes back by itself.
            return ""
        return seen

    # --- the start

    def fresh(self) -> bool:
        """Whether this node's data directory never belonged to a cluster that came up.

        Data that a join left behind before it was seen to have worked (the agent was killed, the broker did not
        answer) is no cluster's yet: the join is done, and looked at, again.
        """
        files = self.host.files
        return not files.exists(f"{self.data_path()}/cluster_nodes.config") or files.exists(self.joining_path())

    def joining_path(self) -> str:
        """Exists from before a fresh node's join until the node has been seen in the cluster."""
        return f"{self.params.text('home')}/quorate-{self.context.instance}.joining"

    def launch(self) -> None:
        self.publish(FRESH if self.fresh() else DATA)
        before = ""
        hopeful = self.host.clock.monotonic()
        while True:
            said = self._said()
            decision = self._decide(said)
            if decision.action != "wait" or not forsaken(self.node(), tuple(self.peers()), said):
                hopeful = self.host.clock.monotonic()
            if self.host.clock.monotonic() - hopeful > PATIENCE:
                raise OcfError(ERR_GENERIC, f"nothing to form or join for {PATIENCE:.0f} s: {decision.why}")
            if repr(decision) != before:
                self.log.info(f"start: {decision}")
                before = repr(decision)
            if decision.action != "wait" and self._come_up(decision):
                break
            if self.deadline.remaining() < 2 * FORMING_POLL:
                raise OcfError(ERR_GENERIC, f"waited {self.deadline.length:.0f} s to form or join: {decision.why}")
            self.host.clock.sleep(FORMING_POLL)
        self._apply_policy()
        self.found_running()

    def _said(self) -> dict[str, str]:
        """What the nodes say; not of those who say that they run, and do not answer."""
        peers = self.peers()
        said = {node: word for node, word in self.published().items() if node in peers}
        port = self.params.number("port")
        for node, word in list(said.items()):
            # A crashed node's last word stays until Pacemaker has stopped it.
            if word == RUN and node != self.node() and not accepts(self.host, (peers[node], port), PEER_TIMEOUT):
                del said[node]
        return said

    def _decide(self, said: dict[str, str]) -> Decision:
        quorate = self.host.attributes.quorate()
        return decide(self.node(), tuple(self.peers()), said, fresh=self.fresh(), quorate=quorate)

    def _come_up(self, decision: Decision) -> bool:
        """Start the broker as decided. False if it must be decided anew."""
        had_data = self.host.files.exists(f"{self.data_path()}/cluster_nodes.config")
        if decision.action == "form":
            self.publish(FORM)
        if decision.action == "join":
            self.host.files.write(self.joining_path(), b"")
            self.publish(DATA)
        self.spawn(self._command(decision.peers if decision.action == "join" else ()))
        self._await_broker(decision)
        if decision.action != "join" or self._in_cluster_with(decision.peers):
            self.host.files.remove(self.joining_path())
            return True
        if had_data or not self._somebody_runs(decision.peers):
            # What it holds may be a member's data after all, or the only copy of it: nothing is moved.
            raise OcfError(
                ERR_GENERIC, f"the broker runs, but not in one cluster with {', '.join(decision.peers)}, as it should"
            )
        # The peers were gone just when this broker looked for them, so it founded a cluster of its own, seconds ago
        # and unannounced. It must not stay beside theirs; what little it holds is kept for the operator.
        self.log.warning(f"start: the broker came up alone instead of joining {', '.join(decision.peers)}")
        self._end(self.record())
        aside = f"{self.data_path()}.set-aside-{int(self.host.clock.time())}"
        self.host.files.rename(self.data_path(), aside)
        self.publish(FRESH)
        self.log.warning(f"start: its new data directory was moved to {aside}; trying again")
        return False

    def _await_broker(self, decision: Decision) -> None:
        """Wait until the broker answers; one that rejoins waits itself, for the peer that stopped last."""
        hopeful = self.host.clock.monotonic()
        while decision.action == "rejoin" and not self.deadline.passed() and self.attempt():
            if not (self._waits() and forsaken(self.node(), tuple(self.peers()), self._said())):
                hopeful = self.host.clock.monotonic()
            if self.host.clock.monotonic() - hopeful > PATIENCE:
                raise OcfError(
                    ERR_GENERIC, f"the broker waits for its peers, and nobody has started them for {PATIENCE:.0f} s"
                )
            self.host.clock.sleep(FORMING_POLL)
        self.await_answer(self.deadline)

    def _waits(self) -> bool:
        """Whether the broker says that it waits for a peer, or says nothing at all (it may log elsewhere)."""
        log = self.command().log
        lines = self.host.files.tail(log, LOG_LINES, self._logs_before.get(log, 0))
        return not lines or waits(lines)

    def _somebody_runs(self, peers: tuple[str, ...]) -> bool:
        """Whether a broker of *peers* answers, and this partition has quorum."""
        addresses, port = self.peers(), self.params.number("port")
        answers = any(accepts(self.host, (addresses[node], port), PEER_TIMEOUT) for node in peers)
        return answers and self.host.attributes.quorate()

    def _in_cluster_with(self, peers: tuple[str, ...]) -> bool:
        status = self._status()
        running = status.get("running_nodes", [])
        return any(self.broker(node) in running for node in peers)

    def reload(self) -> None:
        """The policy follows its parameters while the broker runs."""
        self._apply_policy()

    def _apply_policy(self) -> None:
        """Set the mirroring policy, or take ours away, unless the cluster has it so already."""
        import json

        definition = {"ha-mode": "all", "ha-sync-mode": "automatic"}
        pattern = self.params.text("mirror_pattern")
        wanted = self.params.text("mirror") != "none"
        for policy in self._ctl_json("list_policies"):
            if policy.get("name") != self.POLICY:
                continue
            if not wanted:
                self._ctl("clear_policy", self.POLICY)
                self.log.info(f"policy {self.POLICY} is taken away")
                return
            set_to = policy.get("definition")
            set_to = json.loads(set_to) if isinstance(set_to, str) else set_to
            if policy.get("pattern") == pattern and set_to == definition:
                return
        if not wanted:
            return
        self._ctl("set_policy", "--apply-to", "queues", self.POLICY, pattern, json.dumps(definition))
        self.log.info(f"policy {self.POLICY} mirrors the queues {pattern}")

    # --- what is published

    def found_running(self) -> None:
        self.publish(RUN)

    # --- the deep monitor

    def inspect(self) -> None:
        # Not the members that are away: their own node reports that, and this one serves as before.
        status = self._status()
        problems = []
        if status.get("partitions"):
            problems.append(f"partitions: {status['partitions']}")
        if status.get("alarms"):
            problems.append(f"alarms: {status['alarms']}")
        if problems:
            raise OcfError(DEGRADED, "; ".join(problems))

    # --- rabbitmqctl

    def _status(self) -> dict[str, list[str]]:
        import json

        return dict(json.loads(self._ctl("cluster_status", "--formatter", "json")))

    def _ctl_json(self, *words: str) -> list[dict[str, object]]:
        import json

        return list(json.loads(self._ctl(*words, "--formatter", "json") or "[]"))

    def _ctl(self, *words: str) -> str:
        """Run rabbitmqctl against this node's broker; its standard output. Raises OcfError."""
        p = self.params
        timeout = self.deadline.at_most(CTL_TIMEOUT)
        result = self.host.run(
            [p.text("ctl"), "--quiet", "--timeout", str(max(1, int(timeout))), *words],
            timeout=timeout,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **self.environment()},
        )
        if result.rc != 0:
            raise OcfError(ERR_GENERIC, f"rabbitmqctl {words[0]}: {result.words()}")
        return result.out
