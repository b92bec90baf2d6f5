"""The sentinel: notices the failure of a service on its node when it happens, and tells Pacemaker."""

from __future__ import annotations

from quorate.lib.daemon import Command, Daemon
from quorate.lib.deadline import Deadline
from quorate.lib.declare import Action, Parameter
from quorate.lib.log import NAMES
from quorate.lib.probe import Exchange, ProbeError
from quorate.lib.rc import ERR_CONFIGURED, OcfError
from quorate.lib.sentinel.records import SOCKET, named


def parse_watch(text: str) -> dict[str, str]:
    """``{resource: pid file}`` of ``haproxy=/run/haproxy.pid …``. Raises OcfError(ERR_CONFIGURED)."""
    watch: dict[str, str] = {}
    for word in text.split():
        resource, _, path = word.partition("=")
        if not named(resource) or not path.startswith("/"):
            raise OcfError(ERR_CONFIGURED, f"parameter watch must hold RESOURCE=/PID/FILE pairs, not '{word}'")
        if resource in watch:
            raise OcfError(ERR_CONFIGURED, f"parameter watch names {resource} twice")
        watch[resource] = path
    return watch


class Sentinel(Daemon):
    name = "sentinel"
    shortdesc = "Notices failures of the services on its node at once and tells Pacemaker"
    longdesc = (
        "Runs a daemon that watches the main processes of this provider's services and asks each service about once a "
        "second what its shallow monitor asks. A process that ends, or a service that keeps failing, is reported to "
        "Pacemaker at once (crm_resource --fail) instead of being found at the next monitor. It only makes recovery "
        "faster: nothing may be ordered after it or placed with it, and while it is away everything works by polling "
        "as before. Run it as an anonymous clone, one instance on every node. 'quorate-sentinel status' on a node says "
        "what is watched."
    )
    parameters = (
        Parameter(
            "watch",
            default="",
            shortdesc="Resources of other providers",
            longdesc="Resources of other providers whose main process is watched too, as 'RESOURCE=PIDFILE' separated "
            "by blanks: 'haproxy=/run/haproxy.pid'. RESOURCE is the id of the primitive, not of a clone around it. Of "
            "these only the end of the process is noticed.",
        ),
        Parameter(
            "metrics_port",
            "integer",
            "0",
            shortdesc="Port of the metrics",
            longdesc="The TCP port on 127.0.0.1 at which Prometheus can read /metrics; 0 is none.",
            unique_group="metrics",
            minimum=0,
            maximum=65535,
        ),
        Parameter(
            "binary",
            default="/usr/sbin/quorate-sentinel",
            shortdesc="Daemon program",
            longdesc="The program of the daemon.",
        ),
        Parameter(
            "probe_timeout",
            "time",
            "5s",
            shortdesc="Monitor's patience",
            longdesc="How long the monitor waits for the daemon's answer before it calls the daemon hung.",
            minimum=1,
            maximum=300,
            reloadable=True,
        ),
        Parameter(
            "log",
            default="",
            shortdesc="Log file",
            longdesc="The file that the daemon logs to, beside syslog, if it exists; by default the cluster's own log "
            "file.",
        ),
    )
    # A start or a stop that takes longer is worse than no sentinel: a transition waits for it. A process that no signal
    # ends is no reason to cut the node's power: the next start deals with it.
    actions = (
        Action("start", 20),
        Action("stop", 20, on_fail="ignore"),
        Action("monitor", 20, interval=10, depth=0, watched_interval=10),
        Action("reload-agent", 20),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )
    # A start is cheap, so it may be tried often; a daemon that never stays up still gets a minute's rest.
    meta = (("failure-timeout", "60s"), ("migration-threshold", "10"))
    watched = False

    def validate(self) -> None:
        super().validate()
        parse_watch(self.params.text("watch"))

    def command(self) -> Command:
        p = self.params
        argv = [p.text("binary"), "daemon"]
        for resource, path in parse_watch(p.text("watch")).items():
            argv += ["--watch", f"{resource}={path}"]
        if p.number("metrics_port"):
            argv += ["--metrics", p.text("metrics_port")]
        # The daemon logs as the agents do; Pacemaker tells only its agents where.
        environ = self.log.environ
        log = p.text("log") or next((environ[name] for name in NAMES if environ.get(name)), "")
        return Command(argv, env={NAMES[0]: log} if log else {})

    def probe_service(self, deadline: Deadline) -> None:
        with Exchange(self.host, SOCKET, deadline) as exchange:
            exchange.send(b"ping\n")
            answer = exchange.receive(64)
        if answer != b"pong\n":
            raise ProbeError(f"{SOCKET} answers, but not as the sentinel does")
