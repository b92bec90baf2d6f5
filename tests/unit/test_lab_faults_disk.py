"""A real small disk: made, filled to the last block, emptied and taken away. Root only."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.lab import disks
from quorate.lab.services import service
from quorate.lib.problem import Failed


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[disks.Disk]:
    if why := disks.objection():
        pytest.skip(why)
    monkeypatch.setenv("QUORATE_STATE", str(tmp_path))
    small = disks.Disk("unit", "n1", dataclasses.replace(service("rabbitmq"), disk=16 << 20))
    try:
        small.make()
    except Failed as failure:
        pytest.skip(str(failure))
    yield small
    small.unmount()


def test_a_full_disk_takes_nothing_and_is_as_before_afterwards(disk: disks.Disk) -> None:
    kept = disk.data / "kept"
    kept.write_bytes(b"1")
    before = disk.free()
    disk.fill()
    assert disk.free() < 4096
    with pytest.raises(OSError, match="No space") as caught:
        kept.write_bytes(bytes(64 << 10))
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in disk.data.iterdir()] == ["kept"], "the service sees nothing of what fills its disk"
    disk.relieve()
    disk.relieve()
    assert abs(disk.free() - before) <= 8192  # what `kept` grew by
    assert disk.image.stat().st_blocks * 512 < 16 << 20, "filling it takes no space on this machine"


def test_the_contents_outlast_an_unmount(disk: disks.Disk) -> None:
    (disk.data / "kept").write_text("here")
    disk.unmount()
    assert not disk.mounted
    disk.mount()
    disk.mount()
    assert (disk.data / "kept").read_text() == "here"
