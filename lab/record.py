"""What a lab's folder remembers of it between two commands."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from quorate.lab import paths
from quorate.lib.problem import Failed

_FILE = "record.json"
_TOPOLOGY = "topology.yaml"


@dataclass(frozen=True)
class Record:
    """How far a lab is. *containers* are the ids of what it was made of."""

    release: int
    containers: tuple[str, ...] = ()
    provisioned: bool = False


def folder(name: str) -> Path:
    """The folder of the lab *name*: secrets and record, for its owner's eyes."""
    return paths.state() / "labs" / name


def read(name: str) -> Record | None:
    """The record of the lab *name*; None when there is none, or none that can be read."""
    try:
        kept = json.loads((folder(name) / _FILE).read_text(encoding="utf-8"))
        return Record(**{**kept, "containers": tuple(kept["containers"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(name: str, record: Record) -> None:
    """Keep *record* as that of the lab *name*."""
    _write(folder(name) / _FILE, json.dumps(asdict(record), indent=1))


def topology_file(name: str) -> Path:
    """Where the topology that the lab *name* was made from is kept."""
    return folder(name) / _TOPOLOGY


def keep_topology(name: str, text: str) -> None:
    """Keep the *text* of the lab's topology, so that later commands need no option to find it."""
    _write(topology_file(name), text)


def forget(name: str) -> None:
    """Remove the lab's folder, and the folder of labs when it was the last one."""
    shutil.rmtree(folder(name), ignore_errors=True)
    try:
        folder(name).parent.rmdir()
    except OSError:
        pass


@contextmanager
def locked(name: str, file: str = "lock", busy: str = "being changed") -> Iterator[None]:
    """Nobody else changes the lab *name* meanwhile (or does what another *file* stands for).

    Raises :class:`Failed` when somebody does already; *busy* says what.
    """
    home = folder(name)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / file).open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"the lab {name!r} is {busy} by another command: wait for it to end") from None
        yield


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
