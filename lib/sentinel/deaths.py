"""Knowing of a process's end when it happens: by pidfd, or by looking at /proc four times a second without it."""

from __future__ import annotations

import os
import select

from quorate.lib import process as processes
from quorate.lib.process import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quorate.lib.host import Host
    from quorate.lib.sentinel.judgement import Key

# Seconds between two looks at a process that no pidfd tells of.
INTERVAL = 0.25
PIDFD_OPEN: Callable[[int], int] | None = getattr(os, "pidfd_open", None)


class Deaths:
    """The processes whose end is awaited, through descriptors in *poll*; whoever polls brings the events."""

    __slots__ = ("_by_fd", "_fds", "_host", "_open", "_poll", "_without")

    def __init__(self, host: Host, poll: select.poll, pidfd_open: Callable[[int], int] | None = PIDFD_OPEN) -> None:
        self._host = host
        self._poll = poll
        self._open = pidfd_open
        self._fds: dict[Key, int] = {}
        self._by_fd: dict[int, Key] = {}
        # Those that have no descriptor.
        self._without: set[Key] = set()

    @property
    def looking(self) -> bool:
        """Whether ``look`` must be called each INTERVAL."""
        return bool(self._without)

    def __contains__(self, fd: int) -> bool:
        return fd in self._by_fd

    def add(self, key: Key) -> bool:
        """Await the end of *key*'s process; False if that process lives no more."""
        if key in self._fds or key in self._without:
            return True
        fd = -1
        if self._open is not None:
            try:
                fd = self._open(key[1])
            except ProcessLookupError:
                return False
            except OSError:
                # The kernel or a filter refuses, or there are no descriptors left: then the old way.
                fd = -1
        # Only now: the descriptor is that of whoever had the pid when it was opened.
        if not self._lives(key):
            if fd >= 0:
                os.close(fd)
            return False
        if fd < 0:
            self._without.add(key)
            return True
        self._fds[key] = fd
        self._by_fd[fd] = key
        self._poll.register(fd, select.POLLIN)
        return True

    def drop(self, key: Key) -> None:
        """Await it no more."""
        self._without.discard(key)
        fd = self._fds.pop(key, None)
        if fd is not None:
            del self._by_fd[fd]
            self._poll.unregister(fd)
            os.close(fd)

    def ended(self, fds: Iterable[int]) -> list[Key]:
        """Whose end the events on *fds* tell of; these are awaited no more.

        The number of a descriptor that was closed may be another's since: an event is believed only if the process
        that is registered under it is gone indeed.
        """
        return self._drop_all(key for fd in fds if (key := self._by_fd.get(fd)) is not None and not self._lives(key))

    def look(self) -> list[Key]:
        """Which of those without a descriptor have ended; these are awaited no more."""
        return self._drop_all(key for key in self._without if not self._lives(key))

    def _drop_all(self, keys: Iterable[Key]) -> list[Key]:
        ended = list(keys)
        for key in ended:
            self.drop(key)
        return ended

    def _lives(self, key: Key) -> bool:
        return processes.look_recorded(self._host, Record(key[1], key[2])) is not None
