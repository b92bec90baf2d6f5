"""The log of a long step: everything goes to a file, the last lines are kept for the error sentence."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from types import TracebackType

_INTERESTING = re.compile(r"^(Step \d+/\d+|Get:\d+|Unpacking|Setting up|Processing triggers|I: \w+)")


class BuildLog:
    """A file that remembers its last *lines* lines. Use it as a context manager."""

    def __init__(self, path: Path, lines: int = 15) -> None:
        self.path = path
        self._last: deque[str] = deque(maxlen=lines)
        self._partial = ""
        self._said = ""
        self._file = path.open("w", encoding="utf-8")

    def __enter__(self) -> BuildLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, text: str) -> None:
        """Append *text*, which may end in the middle of a line."""
        self._file.write(text)
        *whole, self._partial = (self._partial + text).split("\n")
        for line in whole:
            if line.strip():
                self._last.append(line.rstrip())
            if _INTERESTING.match(line):
                self._said = line.strip()[:70]

    def interesting(self) -> str:
        """The last line worth showing while it runs."""
        return self._said

    def tail(self) -> str:
        """The last lines, indented, and where the whole log is."""
        self._file.flush()
        return "\n".join(f"    {line}" for line in self._last) + f"\n  (whole log: {self.path})"
