"""The dashboard (horizon) in Apache, active on every node."""

from __future__ import annotations

from quorate.agents.gated import GATE, gate_of
from quorate.lib.daemon import Command, Daemon
from quorate.lib.deadline import Deadline
from quorate.lib.declare import Action, Parameter
from quorate.lib.probe import ProbeError, http_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.gate import Gate

# Debian's control script reads the environment from a shell file; exec keeps the pid that we wrote down.
SOURCE_AND_RUN = '. "$1" && exec "$2" -f "$3" -DFOREGROUND'


class Dashboard(Daemon):
    name = "dashboard"
    shortdesc = "Manages OpenStack's dashboard (horizon) in Apache"
    longdesc = (
        "Runs the Apache server that serves the dashboard, active on every node. The monitor asks for the login page, "
        "so that not only Apache but horizon itself has answered. Sessions must not live on one node: use signed "
        "cookies, or a cache that all nodes share."
    )
    parameters = (
        Parameter(
            "binary",
            default="/usr/sbin/apache2",
            shortdesc="Apache",
            longdesc="The Apache program itself, not its control script.",
        ),
        Parameter(
            "config",
            default="/etc/apache2/apache2.conf",
            shortdesc="Apache configuration",
            longdesc="Apache's main configuration file.",
        ),
        Parameter(
            "envvars",
            default="/etc/apache2/envvars",
            shortdesc="Environment file",
            longdesc="The shell file that sets the variables which Apache's configuration uses.",
        ),
        Parameter(
            "bind",
            default="127.0.0.1",
            shortdesc="Address the monitor asks",
            longdesc="An IPv4 address that Apache's configuration listens on.",
        ),
        Parameter(
            "port",
            "integer",
            "80",
            shortdesc="Port the monitor asks",
            unique_group="address",
            longdesc="The TCP port that Apache's configuration listens on.",
            minimum=1,
            maximum=65535,
        ),
        Parameter(
            "probe_path",
            default="/horizon/auth/login/",
            shortdesc="Path the monitor asks for",
            longdesc="The path of the monitor's GET request; any answer below 400 is a sign of life.",
            reloadable=True,
        ),
        Parameter(
            "probe_timeout",
            "time",
            "10s",
            shortdesc="Monitor's patience",
            longdesc="How long the monitor waits for the answer before it calls the service hung.",
            minimum=1,
            maximum=300,
            reloadable=True,
        ),
        GATE,
        Parameter(
            "log",
            default="/var/log/apache2/error.log",
            shortdesc="Log file",
            longdesc="Apache's error log, quoted when a start fails.",
            reloadable=True,
        ),
    )
    actions = (
        Action("start", 90),
        Action("stop", 30),
        Action("monitor", 20, interval=10, depth=0),
        Action("reload-agent", 20),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )

    # The login page waits for keystone, and keystone for its database.
    backend_excused = True
    # The login page is 9 ms of work.
    exchange_every = 5

    def validate(self) -> None:
        super().validate()
        self.require_files("config", "envvars")

    def prepare(self) -> None:
        # Debian's start script makes these; /run is empty after a boot.
        self.host.files.make_dir("/run/apache2", 0o755)
        self.host.files.make_dir("/run/lock", 0o1777)
        self.host.files.make_dir("/run/lock/apache2", 0o755, "www-data")

    def command(self) -> Command:
        p = self.params
        argv = ["/bin/sh", "-c", SOURCE_AND_RUN, "sh", p.text("envvars"), p.text("binary"), p.text("config")]
        return Command(argv, log=p.text("log"))

    def address(self) -> tuple[str, int]:
        return (self.params.text("bind"), self.params.number("port"))

    def gate(self) -> Gate:
        return gate_of(self, self.address()[1])

    def listens_on(self) -> tuple[str, int]:
        return self.address()

    def probe_service(self, deadline: Deadline) -> None:
        path = self.params.text("probe_path")
        status = http_status(self.host, self.address(), path, deadline)
        if status >= 400:
            raise ProbeError(f"{path} is answered with HTTP status {status}")
