"""A fake machine, and a fake cluster of them: files, processes, a clock, sockets and attributes, all in memory.

Implements the protocols of ``lib/host.py``. What a test does not script is refused as the real machine would: no such
file, connection refused, command not found.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence

from quorate.lib.host import Result
from quorate.lib.rc import ERR_GENERIC, OcfError

Address = str | tuple[str, int]
SIGKILL, SIGTERM, SIGCONT, SIGSTOP = 9, 15, 18, 19


class FakeClock:
    """Time passes only in ``sleep``; what was scheduled for a moment happens when it is reached."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._events: list[tuple[float, int, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now

    def at(self, seconds_from_now: float, happen: Callable[[], object]) -> None:
        self._events.append((self.now + seconds_from_now, len(self._events), happen))

    def sleep(self, seconds: float, /) -> None:
        end = self.now + seconds
        while due := sorted((e for e in self._events if e[0] <= end), key=lambda e: e[:2]):
            event = due[0]
            self._events.remove(event)
            self.now = max(self.now, event[0])
            event[2]()
        self.now = end


class FakeProcess:
    """A process of the fake machine. *ignores* are the signals that it survives (never SIGKILL, SIGSTOP)."""

    def __init__(self, pid: int, comm: str, session: int, start: int, environ: Mapping[str, str]) -> None:
        self.pid = pid
        self.comm = comm
        self.session = session
        self.start = start
        self.environ = dict(environ)
        self.state = "S"
        self.parent = 1
        self.ignores: set[int] = set()
        self.signals: list[int] = []
        self.gone = False
        self.status: int | None = None

    def stat(self) -> bytes:
        tail = f"{self.state} {self.parent} {self.session} {self.session}" + " 0" * 15 + f" {self.start} 0 0"
        return f"{self.pid} ({self.comm}) {tail}\n".encode()

    def end(self, status: int) -> None:
        """Exit with *status* (negative: by a signal)."""
        self.gone, self.status = True, status

    def signalled(self, signal: int) -> None:
        self.signals.append(signal)
        if signal == SIGSTOP:
            self.state = "T"
        elif signal == SIGCONT:
            if self.state == "T":
                self.state = "S"
                if SIGTERM in self.signals and SIGTERM not in self.ignores:
                    self.end(-SIGTERM)
        elif signal == SIGKILL or (signal not in self.ignores and self.state != "T"):
            self.end(-signal)


class FakeFiles:
    """Files in a dictionary; ``/proc`` shows the fake machine's processes."""

    def __init__(self, processes: dict[int, FakeProcess]) -> None:
        self._processes = processes
        self.content: dict[str, bytes] = {}
        self.modes: dict[str, int] = {}
        self.owners: dict[str, str] = {}
        self.folders: set[str] = set()
        self.users = {"root", "keystone", "nova", "rabbitmq", "mysql", "www-data"}

    def put(self, path: str, text: str = "", mode: int = 0o644) -> None:
        self.content[path] = text.encode()
        self.modes[path] = mode

    def read(self, path: str) -> bytes:
        if path.startswith("/proc/") and path not in self.content and "/net/" not in path:
            _, _, pid, name = path.split("/")
            process = self._processes.get(int(pid))
            if process is None or process.gone:
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
            if name == "stat":
                return process.stat()
            return b"".join(f"{k}={v}".encode() + b"\0" for k, v in process.environ.items())
        if path not in self.content:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return self.content[path]

    def write(self, path: str, data: bytes, mode: int = 0o600) -> None:
        if path.rpartition("/")[0] not in self.folders:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        self.content[path] = data
        self.modes[path] = mode

    def remove(self, path: str) -> None:
        self.content.pop(path, None)

    def exists(self, path: str) -> bool:
        return path in self.content or path in self.folders or any(p.startswith(path + "/") for p in self.content)

    def executable(self, path: str) -> bool:
        return path in self.content and bool(self.modes.get(path, 0o644) & 0o111)

    def mode(self, path: str) -> int:
        if path not in self.content:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return self.modes.get(path, 0o644)

    def listdir(self, path: str) -> list[str]:
        if path == "/proc":
            return ["self", "meminfo", *[str(p.pid) for p in self._processes.values() if not p.gone]]
        return sorted({p[len(path) + 1 :].split("/")[0] for p in self.content if p.startswith(path + "/")})

    def make_dir(self, path: str, mode: int, user: str = "root") -> None:
        if path not in self.folders:
            self.folders.add(path)
            self.give(path, user)

    def rename(self, old: str, new: str) -> None:
        for path in [p for p in self.content if p == old or p.startswith(old + "/")]:
            self.content[new + path[len(old) :]] = self.content.pop(path)

    def link(self, path: str) -> str:
        return "pid:[1]" if path.endswith("/ns/pid") else ""

    def give(self, path: str, user: str) -> None:
        if user not in self.users:
            raise KeyError(user)
        self.owners[path] = user

    def tail(self, path: str, lines: int, since: int = 0) -> list[str]:
        text = self.content.get(path, b"")
        text = text[since if since <= len(text) else 0 :]
        return [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()][-lines:]

    def size(self, path: str) -> int:
        return len(self.content.get(path, b""))


class FakeSocket:
    """Answers each request with the next of *answers*; with none left, it is silent until its timeout."""

    def __init__(self, clock: FakeClock, answers: Sequence[bytes], closes: bool = False, greeting: bytes = b"") -> None:
        self._clock = clock
        self._answers = list(answers)
        self._closes = closes
        self._pending = greeting
        self._timeout = 0.0
        self.sent = b""

    def settimeout(self, value: float | None, /) -> None:
        self._timeout = value or 0.0

    def sendall(self, data: bytes, /) -> None:
        self.sent += data
        if self._answers:
            self._pending += self._answers.pop(0)

    def recv(self, size: int, /) -> bytes:
        if not self._pending:
            if self._closes:
                return b""
            self._clock.sleep(self._timeout)
            raise TimeoutError("timed out")
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def close(self) -> None:
        pass


HTTP_OK = b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"
AMQP_START = b"\x01\x00\x00\x00\x00\x01\xf7\x00\x0a\x00\x0a"


class FakeCluster:
    """Attributes in one total order, seen by each node as far as they were *delivered* to it.

    A write is seen everywhere at once unless *delay* says how many seconds each node's view lags behind: attrd
    acknowledges a write before it has come back from the cluster, even to the node that wrote.
    """

    def __init__(self, names: Sequence[str], clock: FakeClock | None = None) -> None:
        self.names = tuple(names)
        self.clock = clock or FakeClock()
        self.delay: dict[str, float] = {}
        self.sides: list[frozenset[str]] = [frozenset(names)]
        self.views: dict[str, dict[tuple[str, str], str]] = {name: {} for name in names}
        self.history: list[tuple[str, str, str | None]] = []

    def partition(self, *sides: Sequence[str]) -> None:
        """Split the nodes; what the other side had said is forgotten, as attrd does with lost peers."""
        self.sides = [frozenset(side) for side in sides]
        for name in self.names:
            view = self.views[name]
            for key in [k for k in view if k[1] not in self.side(name)]:
                del view[key]

    def side(self, name: str) -> frozenset[str]:
        return next((side for side in self.sides if name in side), frozenset([name]))

    def write(self, node: str, attribute: str, value: str | None) -> None:
        self.history.append((node, attribute, value))
        for reader in self.side(node):

            def deliver(view: dict[tuple[str, str], str] = self.views[reader]) -> None:
                if value is None:
                    view.pop((attribute, node), None)
                else:
                    view[attribute, node] = value

            if self.delay.get(reader):
                self.clock.at(self.delay[reader], deliver)
            else:
                deliver()


class FakeAttributes:
    def __init__(self, cluster: FakeCluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self.away = False

    def _check(self) -> None:
        if self.away:
            raise OcfError(ERR_GENERIC, "the cluster does not answer: Connection refused")

    def set(self, name: str, value: str) -> None:
        self._check()
        self._cluster.write(self._name, name, value)

    def clear(self, name: str) -> None:
        self._check()
        self._cluster.write(self._name, name, None)

    def all(self, name: str) -> dict[str, str]:
        self._check()
        return {node: v for (attribute, node), v in self._cluster.views[self._name].items() if attribute == name}

    def members(self) -> frozenset[str]:
        self._check()
        return self._cluster.side(self._name)

    def quorate(self) -> bool:
        self._check()
        return 2 * len(self._cluster.side(self._name)) > len(self._cluster.names)

    def node(self) -> str:
        self._check()
        return self._name


class FakeHost:
    """One machine. ``behave`` is called with each spawned process, and may end it, ignore signals or open sockets."""

    def __init__(self, name: str = "n1", cluster: FakeCluster | None = None) -> None:
        self.cluster = cluster or FakeCluster([name])
        self._clock = self.cluster.clock
        self.processes: dict[int, FakeProcess] = {}
        self._files = FakeFiles(self.processes)
        self._attributes = FakeAttributes(self.cluster, name)
        self.sockets: dict[Address, Callable[[], FakeSocket]] = {}
        self.connections: list[Address] = []
        self.commands: dict[str, Result | Callable[[Sequence[str]], Result]] = {}
        self.ran: list[list[str]] = []
        self.environments: list[Mapping[str, str] | None] = []
        self.spawned: list[list[str]] = []
        self.behave: Callable[[FakeProcess], object] = lambda process: None
        self._next_pid = 100

    @property
    def files(self) -> FakeFiles:
        return self._files

    @property
    def clock(self) -> FakeClock:
        return self._clock

    @property
    def attributes(self) -> FakeAttributes:
        return self._attributes

    def add(
        self,
        comm: str,
        environ: Mapping[str, str] | None = None,
        *,
        session: int = 0,
        start: int = 0,
        pid: int = 0,
    ) -> FakeProcess:
        """A process that this machine has anyway; *session* 0 is a session of its own."""
        pid = pid or self._next_pid
        self._next_pid = max(self._next_pid, pid) + 1
        process = FakeProcess(pid, comm, session or pid, start or pid * 10, environ or {})
        self.processes[pid] = process
        return process

    def serve(self, address: Address, *answers: bytes, closes: bool = False, greeting: bytes = b"") -> None:
        self.sockets[address] = lambda: FakeSocket(self._clock, answers, closes, greeting)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        user: str = "",
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        self.ran.append(list(argv))
        self.environments.append(env)
        answer = self.commands.get(argv[0])
        if answer is None:
            return Result(127, "", f"{argv[0]}: not found")
        return answer if isinstance(answer, Result) else answer(argv)

    def spawn(self, argv: Sequence[str], *, user: str, env: Mapping[str, str], log: str, cwd: str) -> int:
        if user not in self._files.users:
            raise KeyError(user)
        if not self._files.executable(argv[0]) and argv[0] != "/bin/sh":
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", argv[0])
        self.spawned.append(list(argv))
        process = self.add(argv[0].rpartition("/")[2][:15], env)
        self.behave(process)
        return process.pid

    def ended(self, pid: int) -> int | None:
        return self.processes[pid].status if pid in self.processes else None

    def kill(self, pid: int, signal: int) -> None:
        process = self.processes.get(pid)
        if process is not None and not process.gone:
            process.signalled(signal)

    def connect(self, address: Address, timeout: float) -> FakeSocket:
        self.connections.append(address)
        if address not in self.sockets:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        return self.sockets[address]()
