"""Refuses other machines' new connections to a port while the service behind it boots, and while it is stopped.

uWSGI and Apache listen long before the application is loaded. A client that comes in between is accepted by the kernel
and then waits for the whole boot, where a refusal would have sent it to the next node at once. So the port is closed
with a packet filter rule (a TCP reset, as if nobody listened) while the service boots; the loopback stays open, which
is where the agent asks. A planned stop closes it as well, and lets those who are connected have their answers first.
The rule carries the instance's name, and every stop ends with taking it away: a start that was killed half way is
always followed by one.
"""

from __future__ import annotations

from quorate.lib.deadline import Deadline
from quorate.lib.host import TIMED_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.host import Host, Result
    from quorate.lib.log import Log

PROGRAMS = ("iptables", "ip6tables")
TIMEOUT = 3.0
# A rule more than these is not ours: each start adds one, and takes away what it finds first.
MOST = 5
# What iptables ends with when another program holds its tables, and what we say when it did not end.
BUSY = (4, TIMED_OUT)
# Taking the rule away gets this long (s) even at the end of an action's time: left behind, it stays for ever.
OPENING = 6.0
POLL = 0.05
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
ESTABLISHED = "01"


class Gate:
    """The rule of one instance for one TCP port. Without a packet filter it does nothing, and says so once."""

    __slots__ = ("_closed", "_host", "_log", "_port", "_rule")

    def __init__(self, host: Host, log: Log, instance: str, port: int) -> None:
        self._host = host
        self._log = log
        self._port = port
        self._closed = False
        # Only what begins a connection: one that exists goes on.
        self._rule = (
            *("INPUT", "-p", "tcp", "--dport", str(port), "--syn", "!", "-i", "lo"),
            *("-m", "comment", "--comment", f"quorate:{instance}", "-j", "REJECT", "--reject-with", "tcp-reset"),
        )

    def close(self, deadline: Deadline) -> None:
        """From now on other machines are refused."""
        self.open(deadline)
        for program in PROGRAMS:
            result = self._run(program, "-I", deadline)
            # One that did not end may have done it.
            self._closed |= result.rc in (0, TIMED_OUT)
            if result.rc != 0 and program == PROGRAMS[0]:
                self._log.info(f"the port is open to clients while the service boots: {result.words()}")

    def open(self, deadline: Deadline) -> bool:
        """Other machines get through; safe to call when they do already. False if our rule may still be there."""
        until = Deadline(self._host.clock, max(deadline.remaining(), OPENING))
        gone = [self._take_away(program, until) for program in PROGRAMS]
        if all(gone):
            self._closed = False
        return not self._closed

    def _take_away(self, program: str, until: Deadline) -> bool:
        for _ in range(MOST):
            result = self._run(program, "-D", until)
            # Anything else says that there is no such rule, or no such program.
            if result.rc not in (0, *BUSY):
                return True
            if until.passed():
                break
        if result.rc:
            self._log.warning(f"the rule that keeps clients away may still be there: {result.words()}")
        return not result.rc

    def drain(self, deadline: Deadline) -> int:
        """Wait until nobody is connected to the port any more; how many still are at the deadline."""
        while (connected := self._connected()) and not deadline.passed():
            self._host.clock.sleep(POLL)
        return connected

    def _connected(self) -> int:
        lines = []
        for table in TABLES:
            try:
                lines += self._host.files.read(table).decode("ascii", "replace").splitlines()[1:]
            except OSError:
                # No IPv6 here.
                continue
        return established(lines, self._port)

    def _run(self, program: str, verb: str, deadline: Deadline) -> Result:
        # -w: another program may hold the lock on the tables.
        return self._host.run([program, "-w", "2", verb, *self._rule], timeout=deadline.at_most(TIMEOUT))


def established(lines: list[str], port: int) -> int:
    """How many of the *lines* of ``/proc/net/tcp`` are connections that others have with our *port*."""
    ours = f":{port:04X}"
    fields = [line.split() for line in lines]
    return sum(len(f) > 3 and f[1].endswith(ours) and f[3] == ESTABLISHED for f in fields)
