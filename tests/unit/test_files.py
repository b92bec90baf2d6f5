"""Writing a file whole or not at all, on the real file system."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from quorate.lib.host import RealFiles


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "record"
    RealFiles().write(str(path), b"one")
    RealFiles().write(str(path), b"two", 0o640)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["record"]


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_full_disk_keeps_what_there_was_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "record"
    path.write_bytes(b"old")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        RealFiles().write(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["record"]


def test_what_the_kernel_takes_in_parts_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A disk that is nearly full takes a part, and fails only the next time.
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    RealFiles().write(str(tmp_path / "record"), b"a record of some length")
    assert (tmp_path / "record").read_bytes() == b"a record of some length"
