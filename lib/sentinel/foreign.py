"""Resources of other providers: their main process by its pid file, which anybody may have written."""

from __future__ import annotations

import os
import stat

from quorate.lib import process as processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.host import Host
    from quorate.lib.process import Process

LARGEST = 64


def read_pid(path: str) -> int:
    """The pid that the file says; 0 for no file, and for anything that is not one number."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return 0
    try:
        what = os.fstat(fd)
        if not stat.S_ISREG(what.st_mode) or what.st_size > LARGEST:
            return 0
        text = os.read(fd, LARGEST).strip()
    except OSError:
        return 0
    finally:
        os.close(fd)
    return int(text) if text.isdigit() and len(text) < 10 else 0


def main_process(host: Host, path: str) -> Process | None:
    """The living process that the pid file names; never init, never this daemon."""
    pid = read_pid(path)
    if pid in (0, 1, os.getpid()):
        return None
    process = processes.look(host, pid)
    return None if process is None or process.dead else process
