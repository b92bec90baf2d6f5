"""One look at one instance: the state of its main process, then the agent's own shallow exchange."""

from __future__ import annotations

from quorate.lib import process as processes
from quorate.lib.agent import Context
from quorate.lib.deadline import Deadline
from quorate.lib.params import Params
from quorate.lib.process import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from quorate.lib.agent import Agent
    from quorate.lib.host import Host
    from quorate.lib.log import Log
    from quorate.lib.sentinel.judgement import Key
    from quorate.lib.sentinel.records import Watched

    class Glancing(Protocol):
        """What a watched agent has beside being an Agent."""

        deadline: Deadline

        def glance(self, deadline: Deadline) -> str: ...


# For an agent that does not say how long its monitor bears silence (seconds).
PATIENCE = 5.0


class Look:
    """What one look saw. Times in seconds on the monotonic clock; *gone*: the process is not there any more."""

    __slots__ = ("ended", "gone", "key", "patience", "seen", "silent", "started")

    def __init__(self, key: Key, started: float, ended: float, seen: str, *, gone: bool, silent: bool, patience: float):
        self.key = key
        self.started = started
        self.ended = ended
        self.seen = seen
        self.gone = gone
        self.silent = silent
        self.patience = patience

    @property
    def took(self) -> float:
        return self.ended - self.started


class Looker:
    """Looks at one incarnation. It is used by one thread at a time.

    *load* gives the class of an agent by its name; whatever it or the agent raises is said once, and then counts as
    nothing: what is wrong with this daemon is no failure of the service.
    """

    __slots__ = ("_agent", "_complained", "_host", "_load", "_log", "_record", "patience", "watched")

    def __init__(self, host: Host, log: Log, load: Callable[[str], type[Agent]], watched: Watched) -> None:
        self._host = host
        self._log = log
        self._load = load
        self._record = Record(watched.pid, watched.start)
        self._agent: Glancing | None = None
        self._complained = False
        self.watched = watched
        self.patience = PATIENCE

    def look(self, length: float) -> Look | None:
        """Look once, with *length* seconds for the exchange; None if the look itself came to nothing."""
        clock = self._host.clock
        started = clock.monotonic()
        seen, gone, silent = "", False, False
        process = processes.look_recorded(self._host, self._record)
        if process is None:
            gone = True
        elif process.stopped:
            seen = f"{process.comm} (pid {process.pid}) is held stopped by a signal"
        else:
            try:
                agent = self._made()
                deadline = Deadline(clock, length)
                # An agent's own deadline is that of its action, and this one's action is the look.
                agent.deadline = deadline
                seen = agent.glance(deadline)
                silent = bool(seen) and deadline.remaining() < 0.01
            except Exception as error:
                self._complain(error)
                return None
        ended = clock.monotonic()
        return Look(self.watched.key, started, ended, seen, gone=gone, silent=silent, patience=self.patience)

    def _made(self) -> Glancing:
        if self._agent is None:
            agent_class = self._load(self.watched.agent)
            context = Context(
                self._host,
                self._log,
                instance=self.watched.instance,
                action="monitor",
                timeout=agent_class.action_timeout("monitor", 0),
            )
            agent = agent_class(context, Params(agent_class.parameters, self.watched.parameters, lenient=True))
            if any(parameter.name == "probe_timeout" for parameter in agent_class.parameters):
                self.patience = agent.params.seconds("probe_timeout")
            self._agent = agent  # type: ignore[assignment]
        assert self._agent is not None
        return self._agent

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            where = ""
            trace = error.__traceback__
            while trace is not None:
                where = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
                trace = trace.tb_next
            self._log.error(
                f"{self.watched.instance}: cannot be looked at, only its process is watched: "
                f"{type(error).__name__}: {error}{where}"
            )
