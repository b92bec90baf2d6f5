"""Writing a result: all of it or nothing, and never at the price of what was there before."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from quorate.lib.problem import Problem


def write_whole(path: str | Path, text: str) -> None:
    """Write *text* to *path* through a temporary file beside it, which then takes its name.

    An existing file keeps its mode, and its content when anything fails. A pipe or a device (``/dev/stdout``)
    is written directly. Raises :class:`Problem` in one sentence.
    """
    target = Path(path).resolve()
    try:
        if target.exists() and not target.is_file():
            _write_special(target, text)
        else:
            _replace(target, text)
    except OSError as error:
        raise Problem(f"{path}: cannot be written: {error.strerror or error}") from None


def _write_special(target: Path, text: str) -> None:
    with target.open("w", encoding="utf-8") as stream:
        stream.write(text)


def _replace(target: Path, text: str) -> None:
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    # The only way to ask is to set it.
    current = os.umask(0o022)
    os.umask(current)
    return current
