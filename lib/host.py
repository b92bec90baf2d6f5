"""The agent's only door to the machine. Tests pass a fake; :class:`RealHost` is the machine itself.

Heavy modules (``subprocess``, ``pwd``) are imported inside what needs them: a shallow monitor must not pay for them.
"""

from __future__ import annotations

import errno
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from subprocess import Popen
    from typing import Protocol, TypedDict

    class Socket(Protocol):
        def settimeout(self, value: float | None, /) -> None: ...
        def sendall(self, data: bytes, /) -> None: ...
        def recv(self, size: int, /) -> bytes: ...
        def close(self) -> None: ...

    class Clock(Protocol):
        """Seconds; ``sleep`` is here so that a test's clock can pass the time."""

        def monotonic(self) -> float: ...
        def time(self) -> float: ...
        def sleep(self, seconds: float, /) -> None: ...

    class Files(Protocol):
        """The file system. Reading what is not there raises FileNotFoundError."""

        def read(self, path: str) -> bytes: ...
        def write(self, path: str, data: bytes, mode: int = 0o600) -> None:
            """Replace *path* atomically."""

        def remove(self, path: str) -> None:
            """Remove a file; one that is not there is no error."""

        def exists(self, path: str) -> bool: ...
        def executable(self, path: str) -> bool: ...
        def mode(self, path: str) -> int: ...
        def listdir(self, path: str) -> list[str]: ...
        def make_dir(self, path: str, mode: int, user: str = "root") -> None:
            """A folder with its parents, owned by *user*; one that is there keeps what it has."""

        def rename(self, old: str, new: str) -> None: ...
        def link(self, path: str) -> str:
            """What a symbolic link says; empty if it cannot be read."""

        def give(self, path: str, user: str) -> None:
            """Make *user* and its group the owners of *path*."""

        def tail(self, path: str, lines: int, since: int = 0) -> list[str]:
            """The last *lines* lines after byte *since*; empty if there is no such file."""

        def size(self, path: str) -> int:
            """Bytes; 0 if there is no such file."""

    class Attributes(Protocol):
        """Transient attributes of the cluster's nodes, and the membership that this node sees."""

        def set(self, name: str, value: str) -> None: ...
        def clear(self, name: str) -> None: ...
        def all(self, name: str) -> dict[str, str]:
            """The value on each node that has one."""

        def members(self) -> frozenset[str]:
            """Names of the nodes in this node's partition."""

        def quorate(self) -> bool: ...
        def node(self) -> str:
            """This node's name in the cluster."""

    class _Identity(TypedDict, total=False):
        user: int
        group: int
        extra_groups: list[int]

    class Host(Protocol):
        @property
        def files(self) -> Files: ...
        @property
        def clock(self) -> Clock: ...
        @property
        def attributes(self) -> Attributes: ...
        def run(
            self,
            argv: Sequence[str],
            *,
            timeout: float,
            user: str = "",
            env: Mapping[str, str] | None = None,
            stdin: bytes = b"",
        ) -> Result: ...
        def spawn(self, argv: Sequence[str], *, user: str, env: Mapping[str, str], log: str, cwd: str) -> int: ...
        def ended(self, pid: int) -> int | None:
            """The exit status of a child that ended (negative: the signal), None while it runs or is not ours."""

        def kill(self, pid: int, signal: int) -> None:
            """Send a signal; a process that is gone is no error."""

        def connect(self, address: str | tuple[str, int], timeout: float) -> Socket:
            """A connected stream socket: a path is a UNIX socket, a pair is IPv4 and port. Raises OSError."""


class Result:
    """What a finished command gave: *rc* is the exit status (124 when it was killed at its deadline)."""

    __slots__ = ("err", "out", "rc")

    def __init__(self, rc: int, out: str, err: str) -> None:
        self.rc = rc
        self.out = out
        self.err = err

    def words(self) -> str:
        """The last line the command said, for a reason: standard error first."""
        lines = [line for line in (self.err or self.out).splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {self.rc} and no message"


TIMED_OUT = 124


class RealFiles:
    """Files of this machine."""

    __slots__ = ()

    def read(self, path: str) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            chunks = []
            while chunk := os.read(fd, 65536):
                chunks.append(chunk)
            return b"".join(chunks)
        finally:
            os.close(fd)

    def write(self, path: str, data: bytes, mode: int = 0o600) -> None:
        temporary = f"{path}.{os.getpid()}.new"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            try:
                while data:
                    data = data[os.write(fd, data) :]
                os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(temporary, path)
        except OSError:
            # A full disk keeps what there was, and nothing of the attempt.
            self.remove(temporary)
            raise

    def remove(self, path: str) -> None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def executable(self, path: str) -> bool:
        return os.path.isfile(path) and os.access(path, os.X_OK)

    def mode(self, path: str) -> int:
        return os.stat(path).st_mode & 0o7777

    def listdir(self, path: str) -> list[str]:
        return os.listdir(path)

    def make_dir(self, path: str, mode: int, user: str = "root") -> None:
        if os.path.isdir(path):
            return
        os.makedirs(path, 0o755, exist_ok=True)
        os.chmod(path, mode)
        if user != "root":
            self.give(path, user)

    def link(self, path: str) -> str:
        try:
            return os.readlink(path)
        except OSError:
            return ""

    def give(self, path: str, user: str) -> None:
        import pwd

        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def tail(self, path: str, lines: int, since: int = 0) -> list[str]:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return []
        try:
            end = os.fstat(fd).st_size
            start = max(end - 65536, since if since <= end else 0, 0)
            os.lseek(fd, start, os.SEEK_SET)
            text = os.read(fd, 65536).decode("utf-8", "replace")
        finally:
            os.close(fd)
        return [line for line in text.splitlines() if line.strip()][-lines:]

    def size(self, path: str) -> int:
        try:
            return os.stat(path).st_size
        except OSError:
            return 0


class RealHost:
    """The machine the agent runs on."""

    __slots__ = ("_attributes", "_children", "_files")

    def __init__(self) -> None:
        self._files = RealFiles()
        self._attributes: Attributes | None = None
        self._children: dict[int, Popen[bytes]] = {}

    @property
    def files(self) -> RealFiles:
        return self._files

    @property
    def clock(self) -> Clock:
        return time

    @property
    def attributes(self) -> Attributes:
        if self._attributes is None:
            from quorate.lib.attributes import ClusterAttributes

            self._attributes = ClusterAttributes(self)
        return self._attributes

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        user: str = "",
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        """Run to the end, or kill the command and all it started at *timeout* seconds (rc 124)."""
        import signal
        import subprocess

        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=None if env is None else dict(env),
                start_new_session=True,
                **_as_user(user),
            )
        except FileNotFoundError:
            return Result(127, "", f"{argv[0]}: not found")
        except OSError as error:
            return Result(126, "", f"{argv[0]}: {error.strerror}")
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            return Result(TIMED_OUT, "", f"{argv[0]} did not end within {timeout:.1f} s")
        finally:
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        return Result(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def spawn(self, argv: Sequence[str], *, user: str, env: Mapping[str, str], log: str, cwd: str) -> int:
        """Start a daemon in a session of its own, its output appended to *log*; returns its pid."""
        import subprocess

        with open(log, "ab") as sink:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                umask=0o027,
                **_as_user(user),
            )
        self._children[process.pid] = process
        return process.pid

    def ended(self, pid: int) -> int | None:
        if pid not in self._children:
            return None
        try:
            done, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None
        if not done:
            return None
        del self._children[pid]
        return os.waitstatus_to_exitcode(status)

    def kill(self, pid: int, signal: int) -> None:
        try:
            os.kill(pid, signal)
        except ProcessLookupError:
            pass

    def connect(self, address: str | tuple[str, int], timeout: float) -> Socket:
        # `_socket` is the extension module under `socket`: a sixth of the price of importing `socket`.
        import _socket

        family = _socket.AF_UNIX if isinstance(address, str) else _socket.AF_INET
        sock = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except TimeoutError:
            sock.close()
            raise OSError(errno.ETIMEDOUT, "no answer to the connection request") from None
        except BaseException:
            sock.close()
            raise
        return sock


def _as_user(user: str) -> _Identity:
    """The arguments for Popen that drop to *user* with its groups; none for root or the present user."""
    if not user or user == "root":
        return {}
    import grp
    import pwd

    entry = pwd.getpwnam(user)
    groups = [g.gr_gid for g in grp.getgrall() if user in g.gr_mem]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}
