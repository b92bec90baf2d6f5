"""Logging as the cluster expects it: syslog, and the cluster's log file (``HA_debuglog`` for debug, where it is set).

The ``logging`` package costs more than an interpreter start; this is what an agent needs of it.
Never give it a secret: a log is read by more people than a credentials file.
"""

from __future__ import annotations

import os
import time

# OCF's name, the one that Pacemaker 2 sets for agents, and Pacemaker's own.
NAMES = ("HA_logfile", "HA_LOGFILE", "PCMK_logfile")
DEBUG_NAMES = ("HA_debuglog", "HA_DEBUGLOG")
DEBUG = 7


class Log:
    """Writes one line per message: to syslog, and to the cluster's log file."""

    __slots__ = ("environ", "name")

    def __init__(self, name: str, environ: dict[str, str]) -> None:
        self.name = name
        self.environ = environ

    def error(self, message: str) -> None:
        self._write(3, "ERROR", message)

    def warning(self, message: str) -> None:
        self._write(4, "WARNING", message)

    def info(self, message: str) -> None:
        self._write(6, "INFO", message)

    def debug(self, message: str) -> None:
        if self.environ.get("HA_debug", "0") not in ("", "0"):
            self._write(DEBUG, "DEBUG", message)

    def _write(self, level: int, word: str, message: str) -> None:
        import syslog

        syslog.openlog(self.name, syslog.LOG_PID, syslog.LOG_DAEMON)
        for line in message.splitlines():
            syslog.syslog(level, f"{word}: {line}")
        names = (*DEBUG_NAMES, *NAMES) if level == DEBUG else NAMES
        path = next((self.environ[name] for name in names if self.environ.get(name)), "")
        if not path or path == "none":
            return
        stamp = time.strftime("%b %d %H:%M:%S")
        text = "".join(f"{stamp} {self.name}[{os.getpid()}] {word}: {line}\n" for line in message.splitlines())
        try:
            # Not created here: a log file that the cluster does not keep is not ours to make.
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            return
        try:
            os.write(fd, text.encode("utf-8", "replace"))
        finally:
            os.close(fd)
