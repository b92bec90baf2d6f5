"""Which processes are ours, and how they are ended.

A daemon is known by its pid *and* its start time, so that a reused pid is never taken for it. What it started is
known by the session it was put into and by an environment variable that every child inherits: both survive the death
of the main process, and the variable survives a child's own ``setsid`` and a lost record.
"""

from __future__ import annotations

from quorate.lib.rc import ERR_GENERIC, OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from quorate.lib.deadline import Deadline
    from quorate.lib.host import Host

TAG = "QUORATE_INSTANCE"
SIGKILL, SIGTERM, SIGCONT = 9, 15, 18
POLL = 0.1


class Process:
    """One process as ``/proc/PID/stat`` shows it. *start* is in clock ticks since the machine booted."""

    __slots__ = ("comm", "parent", "pid", "session", "start", "state", "threads")

    def __init__(
        self, pid: int, comm: str, state: str, parent: int, session: int, start: int, threads: int = 1
    ) -> None:
        self.pid = pid
        self.comm = comm
        self.state = state
        self.parent = parent
        self.session = session
        self.start = start
        self.threads = threads

    @property
    def dead(self) -> bool:
        """Its main thread has ended: it will not serve again."""
        return self.state in "ZXx"

    @property
    def gone(self) -> bool:
        """Nothing is left of it: no port, no file, no memory.

        A zombie that still has threads is only ending. A killed database of some size holds its sockets and its files
        for as long as the kernel needs to take its memory apart: 1 s for 800 MB.
        """
        return self.dead and self.threads <= 1

    @property
    def stopped(self) -> bool:
        """Held by SIGSTOP or a debugger: it cannot serve, whatever its sockets accept."""
        return self.state in "Tt"


class Record:
    """The identity of a daemon's main process, as written under ``/run/quorate``."""

    __slots__ = ("pid", "start")

    def __init__(self, pid: int, start: int) -> None:
        self.pid = pid
        self.start = start

    def encode(self) -> bytes:
        return b"%d %d\n" % (self.pid, self.start)

    @classmethod
    def decode(cls, data: bytes) -> Record | None:
        """None for anything that is not such a record (truncated by a full disk, or another's file)."""
        fields = data.split()
        if len(fields) != 2 or not all(field.isdigit() and len(field) < 20 for field in fields):
            return None
        return cls(int(fields[0]), int(fields[1]))


def parse_stat(text: str) -> Process:
    """Read one ``/proc/PID/stat`` line; the command may itself hold blanks and brackets."""
    head, _, tail = text.rpartition(")")
    pid, _, comm = head.partition(" (")
    fields = tail.split()
    return Process(int(pid), comm, fields[0], int(fields[1]), int(fields[3]), int(fields[19]), int(fields[17]))


def look(host: Host, pid: int) -> Process | None:
    """The process now, or None if there is none. Raises OSError if that cannot be told."""
    try:
        return parse_stat(host.files.read(f"/proc/{pid}/stat").decode("utf-8", "replace"))
    except (FileNotFoundError, ProcessLookupError):
        # Nothing else: what cannot be read (no descriptor is left) is not known to be gone.
        return None


def look_recorded(host: Host, record: Record) -> Process | None:
    """The recorded process if it still lives: the same pid *and* the same start time."""
    process = look(host, record.pid)
    if process is None or process.dead or process.start != record.start:
        return None
    return process


def members(host: Host, instance: str, record: Record | None) -> list[Process]:
    """Every process of the instance that is not gone: tagged with it, or in the recorded daemon's session."""
    mark = f"{TAG}={instance}".encode()
    here = host.files.link("/proc/self/ns/pid")
    # A stranger that got the recorded pid, and leads a session under it, is not ours, nor is its session.
    holder = look(host, record.pid) if record else None
    session = record.pid if record else 0
    ours = record is not None and (holder is None or holder.start == record.start)
    found = []
    for name in host.files.listdir("/proc"):
        if not name.isdigit():
            continue
        process = look(host, int(name))
        if process is None or process.gone:
            continue
        if ours and process.session == session:
            found.append(process)
            continue
        try:
            environ = host.files.read(f"/proc/{name}/environ")
        except OSError:
            continue
        # A machine that runs containers sees their processes too; an instance in one of them is not this machine's.
        if mark in environ.split(b"\0") and host.files.link(f"/proc/{name}/ns/pid") == here:
            found.append(process)
    return found


def describe(processes: list[Process]) -> str:
    """'beam.smp (pid 17) and 3 more', for a reason."""
    if not processes:
        return "no process"
    first = f"{processes[0].comm} (pid {processes[0].pid})"
    return first if len(processes) == 1 else f"{first} and {len(processes) - 1} more"


def end(host: Host, find: Callable[[], list[Process]], main: int, deadline: Deadline, gentle: float) -> None:
    """End every process that *find* gives: TERM to the main one (to all if it is gone), then KILL, then proof.

    *gentle* is the share of the deadline that the service gets to end by itself. Raises OcfError(ERR_GENERIC) if
    something is still there at the deadline: only then has a stop failed.
    """
    patience = deadline.share(gentle)
    left = find()
    if not left:
        return
    targets = [p for p in left if p.pid == main] or left
    for process in targets:
        host.kill(process.pid, SIGTERM)
    for process in left:
        # A stopped process takes no TERM until it continues, nor hears its master, who waits for it.
        if process in targets or process.stopped:
            host.kill(process.pid, SIGCONT)
    while left and not patience.passed():
        host.clock.sleep(POLL)
        left = find()
        if left and targets and all(process.pid != main for process in left):
            # The main process has ended, and what it left behind would wait for ever (Erlang's port mapper).
            for process in left:
                host.kill(process.pid, SIGTERM)
                host.kill(process.pid, SIGCONT)
            targets = []
    while left:
        # Looked up anew each time: a dying parent may still fork.
        for process in left:
            host.kill(process.pid, SIGKILL)
        host.clock.sleep(POLL / 2)
        left = find()
        if left and deadline.passed():
            raise OcfError(ERR_GENERIC, f"{describe(left)} outlived SIGKILL")
