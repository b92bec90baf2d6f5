"""An agent whose service is a daemon in a session of its own: start, stop and monitor, done once for all of them."""

from __future__ import annotations

from quorate.lib import process as processes
from quorate.lib.agent import Agent
from quorate.lib.deadline import Deadline
from quorate.lib.probe import Exchange, ProbeError, accepts
from quorate.lib.process import TAG, Process, Record
from quorate.lib.rc import DEGRADED, ERR_ARGS, ERR_GENERIC, ERR_INSTALLED, NOT_RUNNING, SUCCESS, OcfError, Rc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.gate import Gate

RUN = "/run/quorate"
LOGS = "/var/log/quorate"
# What the service gets of a stop's time to end by itself; the rest is for KILL and the proof.
GENTLE = 0.7
# How long a planned stop waits for the answers that clients are waiting for (s), and for a sign that any will come.
DRAIN = 3.0
SIGN_OF_LIFE = 1.0
POLL = 0.2
BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Command:
    """How the daemon is started. *log* is the service's own log file, whose last lines explain a failed start."""

    __slots__ = ("argv", "cwd", "env", "log", "user")

    def __init__(
        self,
        argv: list[str],
        *,
        user: str = "root",
        env: dict[str, str] | None = None,
        cwd: str = "/",
        log: str = "",
    ) -> None:
        self.argv = argv
        self.user = user
        self.env = env or {}
        self.cwd = cwd
        self.log = log


class Daemon(Agent):
    """Subclasses say how the service is started, which exchange proves it alive, and what an error means."""

    # Parameters every daemon agent has are declared by each agent: binary, probe_timeout.
    binary_parameter = "binary"
    # Helpers that a service leaves behind on purpose and that hold none of its work (Erlang's port mapper):
    # they end with a stop, but alone they are not the service.
    helpers: tuple[str, ...] = ()
    # Whether the node's sentinel, where one runs, watches this service between two monitors.
    watched = True
    # What the service answers, or that it does not, may be its backend's doing: which, its monitor finds out, and the
    # sentinel leaves everything but a refused connection to it.
    backend_excused = False
    # How many of the sentinel's looks, one a second, it takes to the next whole exchange: between two of them it only
    # sees that connections are accepted. More than one for a service that logs every exchange, or works for it.
    exchange_every = 1

    _logs_before: dict[str, int] = {}
    _looks = 0
    _doubtful = True

    # --- what a subclass says

    def command(self) -> Command:
        raise NotImplementedError

    def probe_service(self, deadline: Deadline) -> None:
        """One exchange with the service. Raises ProbeError."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Folders and files that the service needs before it starts."""

    def launch(self) -> None:
        """Bring the service up; returns when it answers. The default starts the command and waits."""
        self.spawn(self.command())
        self.await_answer(self.deadline)

    def inspect(self) -> None:
        """A deep check (level 10 and up) of a service that answers. Raises OcfError, DEGRADED where it is so."""

    def diagnose(self, error: ProbeError) -> OcfError:
        """What a failed exchange means. A service whose backend is gone is DEGRADED: restarting it helps nobody."""
        return OcfError(ERR_GENERIC, error.seen)

    def listens_on(self) -> tuple[str, int] | None:
        """Where the service will listen, so that a stranger there is named before the start fails on it."""
        return None

    def gate(self) -> Gate | None:
        """What keeps clients away while the service boots, for one that listens before it can answer.

        It is closed only where the parameter ``gate`` is set, and opened in any case.
        """
        return None

    def found_running(self) -> None:
        """A probe found the service up: what must be published anew after Pacemaker itself was restarted."""

    def before_stop(self) -> None:
        """Ahead of the first signal. Must not raise."""

    # --- what the sentinel asks

    def glance(self, deadline: Deadline) -> str:
        """What is wrong with the service, by the shallow monitor's own exchange, or the empty string.

        Empty too for what a restart would not mend. Raises whatever goes wrong in the asking itself.
        """
        # Whatever is asked on the way is asked within this look: the agent's own deadline was one action's.
        self.deadline = deadline
        where = self.listens_on()
        whole = self._doubtful or where is None or self._looks % self.exchange_every == 0
        self._looks += 1
        # What was wrong once is asked whole until it is right again.
        self._doubtful = True
        seen = self._exchange(deadline, None if whole else where)
        self._doubtful = bool(seen)
        return seen

    def _exchange(self, deadline: Deadline, where: tuple[str, int] | None) -> str:
        """What is wrong with the service; only whether it accepts a connection at *where*, if that is given."""
        try:
            if where is None:
                self.probe_service(deadline)
            else:
                Exchange(self.host, where, deadline).close()
        except ProbeError as error:
            if not error.refused and self.backend_excused:
                return ""
            if self.diagnose(error).rc == DEGRADED:
                return ""
            return error.seen
        return ""

    # --- the actions

    def validate(self) -> None:
        binary = self.params.text(self.binary_parameter)
        if not self.host.files.executable(binary):
            raise OcfError(ERR_INSTALLED, f"{binary} is not installed on this host (parameter {self.binary_parameter})")

    def require_files(self, *parameters: str) -> None:
        """Raise OcfError(ERR_ARGS) if a file that one of *parameters* names is not on this host."""
        for name in parameters:
            path = self.params.text(name)
            if not self.host.files.exists(path):
                raise OcfError(ERR_ARGS, f"{path} does not exist on this host (parameter {name})")

    def monitor(self, depth: int) -> Rc:
        record = self.record()
        process = processes.look_recorded(self.host, record) if record else None
        if process is None:
            process = self._without_main(record)
            if process is None:
                return NOT_RUNNING
        if process.stopped:
            raise OcfError(ERR_GENERIC, f"{process.comm} (pid {process.pid}) is held stopped by a signal")
        try:
            self.probe_service(self.probe_deadline())
        except ProbeError as error:
            raise self.diagnose(error) from None
        if self.context.probe:
            self._tell_running()
        elif self.watched and not self.host.files.exists(self.watch_path()):
            self._register()
        if depth >= 10:
            self.inspect()
        return SUCCESS

    def start(self) -> None:
        self._withdraw()
        record = self.record()
        if record and processes.look_recorded(self.host, record):
            self.log.info("start: the service is running already")
            self.await_answer(self.deadline)
            self._tell_running()
            return
        left = self.members(record)
        if left:
            self.log.warning(f"start: ending what an earlier instance left: {processes.describe(left)}")
            self._end(record)
        where = self.listens_on()
        if where and accepts(self.host, where, 1.0):
            raise OcfError(
                ERR_GENERIC,
                f"port {where[1]} on {where[0]} is already served by a process that is not this resource's",
            )
        self.host.files.make_dir(RUN, 0o700)
        self.host.files.make_dir(LOGS, 0o750)
        try:
            self.prepare()
        except KeyError as error:
            raise OcfError(ERR_INSTALLED, f"there is no such user on this host: {error}") from None
        gate = self.gate()
        if gate is None or not self.params.flag("gate"):
            self.launch()
        else:
            gate.close(self.deadline)
            try:
                self.launch()
            finally:
                opened = gate.open(self.deadline)
            if not opened:
                # A service that is up and lets nobody in is worse than one that is seen to have failed.
                raise OcfError(
                    ERR_GENERIC, "the service is up, but the rule that keeps clients away could not be taken away"
                )
        self._register()
        self.log.info(f"start: up after {self.deadline.length - self.deadline.remaining():.1f} s")

    def stop(self) -> None:
        # Before anything else: from here on an end is no failure.
        self._withdraw()
        record = self.record()
        self.before_stop()
        gate = self.gate()
        if gate is None:
            self._end(record)
        else:
            try:
                self._let_clients_finish(gate, record)
                self._end(record)
            finally:
                gate.open(self.deadline)
        self.host.files.remove(self.record_path())

    def reloaded(self) -> None:
        self._register()

    # --- the parts they are made of

    def _let_clients_finish(self, gate: Gate, record: Record | None) -> None:
        """Refuse new clients, and wait until those who are connected have gone; not if nobody would answer them."""
        process = processes.look_recorded(self.host, record) if record else None
        if process is None or process.stopped or not self.params.flag("gate"):
            return
        try:
            self.probe_service(Deadline(self.host.clock, self.deadline.at_most(SIGN_OF_LIFE)))
        except ProbeError:
            return
        gate.close(self.deadline.share(0.1))
        left = gate.drain(Deadline(self.host.clock, self.deadline.at_most(DRAIN)))
        if left:
            self.log.info(f"stop: {left} connections had not ended after {DRAIN:.0f} s")

    def _tell_running(self) -> None:
        """The service was found up by an action that did not start it."""
        gate = self.gate()
        if gate is not None:
            # A start that was killed leaves its rule; whoever finds the service serving lets the clients in.
            gate.open(self.deadline)
        try:
            self.found_running()
        except (OcfError, ProbeError) as error:
            # No reason to call a serving service failed: Pacemaker itself may only just be starting.
            self.log.warning(f"{self.context.action}: the cluster could not be told that the service runs: {error}")
        self._register()

    def watch_path(self) -> str:
        """Where the sentinel reads what to watch."""
        return f"{RUN}/sentinel/{self.context.instance}"

    def _register(self) -> None:
        """From now on the sentinel watches the running service. Never raises."""
        record = self.record() if self.watched else None
        if record:
            from quorate.lib import watched

            watched.register(self, record, RUN)

    def _withdraw(self) -> None:
        """From now on nothing that happens to the service is a failure to the sentinel. Never raises."""
        if self.watched:
            from quorate.lib import watched

            watched.withdraw(self, RUN)

    def record_path(self) -> str:
        return f"{RUN}/{self.context.instance}.pid"

    def output_path(self) -> str:
        """Where the daemon's own standard output and error go."""
        return f"{LOGS}/{self.context.instance}.out"

    def record(self) -> Record | None:
        try:
            return Record.decode(self.host.files.read(self.record_path()))
        except OSError:
            return None

    def members(self, record: Record | None) -> list[Process]:
        return processes.members(self.host, self.context.instance, record)

    def probe_deadline(self) -> Deadline:
        return Deadline(self.host.clock, self.deadline.at_most(self.params.seconds("probe_timeout")))

    def spawn(self, command: Command) -> None:
        """Start the daemon and write down who it is."""
        self._logs_before = {path: self.host.files.size(path) for path in (self.output_path(), command.log) if path}
        env = {"PATH": BASE_PATH, "LANG": "C.UTF-8", TAG: self.context.instance, **command.env}
        try:
            pid = self.host.spawn(command.argv, user=command.user, env=env, log=self.output_path(), cwd=command.cwd)
        except KeyError:
            raise OcfError(ERR_INSTALLED, f"there is no user {command.user} on this host") from None
        except OSError as error:
            raise OcfError(ERR_GENERIC, f"cannot start {command.argv[0]}: {error}") from None
        process = processes.look(self.host, pid)
        start = process.start if process else 0
        self.host.files.write(self.record_path(), Record(pid, start).encode())
        self.log.info(f"start: {command.argv[0]} started as pid {pid}")

    def await_answer(self, deadline: Deadline) -> None:
        """Wait until the service answers. Raises OcfError with what was awaited and seen, and the last log lines."""
        while True:
            seen = self.attempt()
            if not seen:
                return
            if deadline.passed():
                raise OcfError(
                    ERR_GENERIC,
                    f"waited {deadline.length:.0f} s for an answer, but {seen}{self.last_words()}",
                )
            self.host.clock.sleep(min(POLL, deadline.remaining() + 0.01))

    def attempt(self) -> str:
        """Empty when the service answers, else what was seen. Raises OcfError when its process is gone."""
        record = self.record()
        if record is None or processes.look_recorded(self.host, record) is None:
            status = self.host.ended(record.pid) if record else None
            how = "" if status is None else f" with status {status}" if status >= 0 else f" on signal {-status}"
            raise OcfError(ERR_GENERIC, f"the service ended while starting{how}{self.last_words()}")
        try:
            self.probe_service(self.probe_deadline())
        except ProbeError as error:
            if self.diagnose(error).rc == DEGRADED:
                return ""
            return error.seen
        return ""

    def last_words(self) -> str:
        """The last line that the service logged, for a reason; more of them go to our own log.

        crm_mon shows some 130 characters of a reason: what it ends on is lost.
        """
        lines: list[str] = []
        # Only what was written since the start: a line of last week explains nothing.
        for path in (self.output_path(), self.command().log):
            if path:
                lines += self.host.files.tail(path, 5, self._logs_before.get(path, 0))
        if not lines:
            return ""
        self.log.error("last lines of the service's logs:\n" + "\n".join(lines))
        return f"; last log line: {lines[-1].strip()[:200]}"

    def _end(self, record: Record | None) -> None:
        processes.end(
            self.host,
            lambda: self.members(record),
            record.pid if record else 0,
            self.deadline,
            GENTLE,
        )

    def _without_main(self, record: Record | None) -> Process | None:
        """No recorded main process lives. None if nothing else does either; raises if remains do.

        With no record at all (a wiped ``/run``), a tagged daemon is taken up again: it serves, so it is running.
        """
        left = [p for p in self.members(record) if p.comm not in self.helpers]
        if not left:
            return None
        leaders = [p for p in left if p.session == p.pid and not p.dead]
        if record is None and leaders:
            leader = min(leaders, key=lambda p: p.start)
            self.host.files.make_dir(RUN, 0o700)
            self.host.files.write(self.record_path(), Record(leader.pid, leader.start).encode())
            self.log.warning(f"monitor: took up {leader.comm} (pid {leader.pid}) again, its record was lost")
            return leader
        raise OcfError(ERR_GENERIC, f"the main process is gone, but {processes.describe(left)} is left")
