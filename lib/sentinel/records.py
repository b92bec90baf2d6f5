"""What is watched, as the agents write it down: where the records are, their format, and reading them with distrust.

Importing this module costs nearly nothing: the agents' starts and stops pay for it.
"""

from __future__ import annotations

import errno
import os
import stat

FOLDER = "/run/quorate/sentinel"
SOCKET = "/run/quorate/sentinel.sock"

VERSION = 1
# A record has some hundred bytes; whatever is larger is none.
LARGEST = 65536
# What an atomic write leaves for a moment (and a full /run for longer) beside the record itself.
UNFINISHED = ".new"


class Refused(Exception):
    """Not a record to act on; *reason* is one sentence for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Watched:
    """One instance to watch: its main process (*start* in clock ticks since boot), and how its agent is asked.

    *instance* is Pacemaker's id of the primitive; *parameters* are the given OCF parameters.
    """

    __slots__ = ("agent", "instance", "parameters", "pid", "start")

    def __init__(self, instance: str, agent: str, pid: int, start: int, parameters: dict[str, str]) -> None:
        self.instance = instance
        self.agent = agent
        self.pid = pid
        self.start = start
        self.parameters = parameters

    @property
    def key(self) -> tuple[str, int, int]:
        """The incarnation: this instance with this very process."""
        return self.instance, self.pid, self.start

    @property
    def said(self) -> tuple[tuple[str, int, int], str, dict[str, str]]:
        """All that the record says, to be compared with another's."""
        return self.key, self.agent, self.parameters

    def encode(self) -> bytes:
        import json

        record = {
            "version": VERSION,
            "instance": self.instance,
            "agent": self.agent,
            "pid": self.pid,
            "start": self.start,
            "parameters": self.parameters,
        }
        return json.dumps(record).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes, name: str) -> Watched:
        """The record that was found under the file name *name*. Raises Refused for anything else."""
        import json

        try:
            record = json.loads(data.decode())
        except (ValueError, RecursionError):
            raise Refused("is not JSON") from None
        if not isinstance(record, dict):
            raise Refused("is not a JSON object")
        if record.get("version") != VERSION:
            raise Refused(f"has version {str(record.get('version'))[:20]}, not {VERSION}")
        instance, agent = record.get("instance"), record.get("agent")
        if instance != name or not named(name):
            raise Refused("does not name the instance that the file is called after")
        if not (isinstance(agent, str) and named(agent)):
            raise Refused("names no agent")
        pid, start, parameters = record.get("pid"), record.get("start"), record.get("parameters")
        # bool is an int, and no pid.
        if type(pid) is not int or not 1 < pid < 1 << 31 or type(start) is not int or not 0 <= start < 1 << 63:
            raise Refused("names no process")
        if not (isinstance(parameters, dict) and all(isinstance(value, str) for value in parameters.values())):
            raise Refused("has parameters that are not text")
        return cls(name, agent, pid, start, parameters)


def named(text: str) -> bool:
    """Whether *text* can be the id of a resource or the name of an agent: a file name, and one word everywhere."""
    return len(text) < 200 and text.replace("-", "_").replace(".", "_").isidentifier() and text[0] not in "-."


def read(folder: str, name: str) -> Watched | None:
    """The record called *name*, None if there is none. Raises Refused for what must not be believed."""
    if not named(name):
        raise Refused("has a name that is no resource's")
    try:
        # A FIFO must not hold the reader up, and a link may lead anywhere.
        fd = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        link = error.errno == errno.ELOOP
        raise Refused("is a link" if link else f"cannot be opened: {error.strerror}") from None
    try:
        what = os.fstat(fd)
        if not stat.S_ISREG(what.st_mode):
            raise Refused("is not a regular file")
        if what.st_uid != os.geteuid():
            raise Refused(f"belongs to user {what.st_uid}")
        if what.st_mode & 0o022:
            raise Refused(f"can be written by others (mode {what.st_mode & 0o7777:04o})")
        if what.st_size > LARGEST:
            raise Refused(f"is too large for a record ({what.st_size} bytes)")
        data = os.read(fd, LARGEST)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(fd)
    return Watched.decode(data, name)


def read_all(folder: str) -> tuple[dict[str, Watched], dict[str, str]]:
    """Every record in *folder*, and why each other entry was refused, by its name made printable.

    Raises Refused if the folder itself must not be believed, FileNotFoundError if it is not there.
    """
    what = os.lstat(folder)
    if not stat.S_ISDIR(what.st_mode) or what.st_uid != os.geteuid() or what.st_mode & 0o022:
        raise Refused("is not a folder that only the superuser can write to")
    found: dict[str, Watched] = {}
    refused: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(UNFINISHED) and name.removesuffix(UNFINISHED).rpartition(".")[2].isdecimal():
            continue
        try:
            record = read(folder, name)
        except Refused as error:
            # A name that is no text holds surrogates, which no log can take.
            refused[name.encode("utf-8", "backslashreplace").decode()] = error.reason
            continue
        if record is not None:
            found[name] = record
    return found, refused
