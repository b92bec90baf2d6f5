"""What the OpenStack APIs under uWSGI have in common."""

from __future__ import annotations

from quorate.agents.gated import GATE, gate_of
from quorate.lib.daemon import Command, Daemon
from quorate.lib.deadline import Deadline
from quorate.lib.declare import Action, Parameter
from quorate.lib.probe import ProbeError, http_status
from quorate.lib.rc import DEGRADED, OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.gate import Gate

BACKEND_TIMEOUT = 3.0


def parameters(
    service: str, *, ini: str, config: str, user: str, port: str, path: str, log: str
) -> tuple[Parameter, ...]:
    """The declaration of a uWSGI-run API."""
    return (
        Parameter(
            "binary",
            default="/usr/bin/uwsgi_python3",
            shortdesc="uWSGI with Python",
            longdesc="The uWSGI program that runs the service, with the Python 3 plugin built in.",
        ),
        Parameter(
            "ini",
            default=ini,
            shortdesc="uWSGI configuration",
            longdesc="The uWSGI configuration of the service, as the distribution ships it.",
        ),
        Parameter(
            "config",
            default=config,
            shortdesc="Service configuration",
            longdesc=f"The configuration of {service}. The deep monitor reads the database's address and credentials "
            "from it; a file that others than its owner and group can read is refused.",
        ),
        Parameter("user", default=user, shortdesc="User", longdesc="The system user that the service runs as."),
        Parameter(
            "bind",
            default="0.0.0.0",
            shortdesc="Listen address",
            longdesc="The IPv4 address to listen on; 0.0.0.0 is every address of the node.",
        ),
        Parameter(
            "port",
            "integer",
            port,
            shortdesc="Listen port",
            longdesc="The TCP port to listen on.",
            unique_group="address",
            minimum=1,
            maximum=65535,
        ),
        Parameter(
            "probe_path",
            default=path,
            shortdesc="Path the monitor asks for",
            longdesc="The path of the monitor's GET request; any answer below 500 is a sign of life.",
            reloadable=True,
        ),
        Parameter(
            "probe_timeout",
            "time",
            # Longer than the writers' pause when a database node dies (6 s): all workers may be waiting for it.
            "15s",
            shortdesc="Monitor's patience",
            longdesc="How long the monitor waits for the answer before it calls the service hung.",
            minimum=1,
            maximum=300,
            reloadable=True,
        ),
        GATE,
        Parameter(
            "log",
            default=log,
            shortdesc="Log file",
            longdesc="The service's log, quoted when a start fails.",
            reloadable=True,
        ),
    )


def actions(start: int) -> tuple[Action, ...]:
    """Timeouts in seconds; *start* is what the service's own boot needs on a busy machine."""
    return (
        Action("start", start),
        Action("stop", 30),
        Action("monitor", 20, interval=10, depth=0),
        Action("monitor", 30, interval=30, depth=10),
        Action("reload-agent", 20),
        Action("validate-all", 10),
        Action("meta-data", 5),
    )


class UwsgiApi(Daemon):
    """An OpenStack API run by uWSGI, active on every node."""

    # Sections of the configuration that name a database the service cannot work without.
    database_sections: tuple[str, ...] = ("database",)
    # Workers that wait for a dead database answer nobody.
    backend_excused = True
    exchange_every = 5

    def validate(self) -> None:
        super().validate()
        self.require_files("ini", "config")
        self.refuse_open_config()

    def refuse_open_config(self) -> None:
        from quorate.lib.secret_file import refuse_open

        refuse_open(self.host, self.params.text("config"), "config")

    def command(self) -> Command:
        p = self.params
        argv = [
            p.text("binary"),
            "--http-socket",
            f"{p.text('bind')}:{p.number('port')}",
            "--ini",
            p.text("ini"),
        ]
        # Without it uWSGI reloads on SIGTERM instead of ending; not every ini says so.
        argv += ["--die-on-term"]
        return Command(argv, user=p.text("user"), log=p.text("log"), env={"HOME": "/"})

    def address(self) -> tuple[str, int]:
        bind = self.params.text("bind")
        return ("127.0.0.1" if bind == "0.0.0.0" else bind, self.params.number("port"))

    def gate(self) -> Gate:
        return gate_of(self, self.address()[1])

    def listens_on(self) -> tuple[str, int]:
        return self.address()

    def probe_service(self, deadline: Deadline) -> None:
        status = http_status(self.host, self.address(), self.params.text("probe_path"), deadline)
        if status >= 500:
            raise ProbeError(f"port {self.params.number('port')} answers with HTTP status {status}")

    def diagnose(self, error: ProbeError) -> OcfError:
        # Workers that wait for a dead database take no further request. That is the database's failure: a restart
        # would only add the service's own boot to the outage.
        if not error.refused:
            problem = self.backend_problem(deep=False)
            if problem:
                return OcfError(DEGRADED, f"{error.seen}, and {problem}")
        return super().diagnose(error)

    def inspect(self) -> None:
        problem = self.backend_problem(deep=True)
        if problem:
            raise OcfError(DEGRADED, f"the service answers, but {problem}")

    def backend_problem(self, *, deep: bool) -> str:
        """What is wrong with the service's databases, or the empty string."""
        from quorate.agents.openstack_db import database_problem

        return database_problem(
            self.host,
            self.params.text("config"),
            self.database_sections,
            self.deadline.at_most(BACKEND_TIMEOUT),
            deep,
        )
