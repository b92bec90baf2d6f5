"""Logging as the cluster expects it: syslog, and ``HA_logfile`` where that is set (``HA_debuglog`` for debug).

The ``logging`` package costs more than an interpreter start; this is what an agent needs of it.
Never give it a secret: a log is read by more people than a credentials file.
"""

from __future__ import annotations

import os
import time


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
            self._write(7, "DEBUG", message)

    def _write(self, level: int, word: str, message: str) -> None:
        import syslog

        syslog.openlog(self.name, syslog.LOG_PID, syslog.LOG_DAEMON)
        for line in message.splitlines():
            syslog.syslog(level, f"{word}: {line}")
        path = self.environ.get("HA_debuglog", "") if level == 7 else ""
        path = path or self.environ.get("HA_logfile", "")
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
