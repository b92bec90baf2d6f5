"""The log files of a node: how long they are now, and what was written to them since. The node may be without power."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions

from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

_PATIENCE = 20.0
_PACKED = (".gz", ".xz")

# Runs on the node. Text comes back as JSON: a log may hold anything.
_SCRIPT = r"""
import json, os, sys
want = json.loads(sys.argv[1])
paths = []
for top in want["paths"]:
    paths += [top] if os.path.isfile(top) else []
    paths += [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names]
answer = {}
for path in paths:
    try:
        size = os.path.getsize(path)
        if want["read"]:
            start = want["start"].get(path, 0)
            start = max(0, size + start) if start < 0 else start if start <= size else 0
            with open(path, "rb") as file:
                file.seek(start)
                # No more than there was at the first look: a log may grow as fast as it is read.
                answer[path] = file.read(size - start).decode("utf-8", "replace")
        else:
            answer[path] = size
    except OSError:
        pass
print(json.dumps(answer))
"""


def sizes(lab: Lab, node: str, paths: Sequence[str]) -> dict[str, int]:
    """The size of every file at or below *paths* on *node*."""
    if _asleep(lab, node):
        return {path: len(data) for path, data in _fetch(lab, node, paths)}
    said = _ask(lab, node, {"paths": paths, "read": False})
    return {path: int(size) for path, size in said.items()}


def read(lab: Lab, node: str, paths: Sequence[str], start: Mapping[str, int] | None = None) -> dict[str, str]:
    """The text of every file at or below *paths* on *node*, from the byte that *start* gives (default: the first).

    A negative start counts from the end; one beyond the end, of a log that was begun anew, counts as none.
    """
    start = start or {}
    if not _asleep(lab, node):
        said = _ask(lab, node, {"paths": paths, "read": True, "start": dict(start)})
        return {path: text for path, text in said.items() if not path.endswith(_PACKED)}
    found = {}
    for path, data in _fetch(lab, node, paths):
        first = start.get(path, 0)
        kept = data[first:] if first <= len(data) else data
        if not path.endswith(_PACKED):
            found[path] = kept.decode("utf-8", "replace")
    return found


def _asleep(lab: Lab, node: str) -> bool:
    return lab.container(node).status != "running"


def _ask(lab: Lab, node: str, want: Mapping[str, object]) -> dict[str, Any]:
    argv = ["/usr/bin/python3", "-I", "-S", "-", json.dumps(want)]
    return dict(json.loads(lab.exec(node, argv, stdin=_SCRIPT, timeout=_PATIENCE).out))


def _fetch(lab: Lab, node: str, paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Whole files through the engine, from a container that cannot run anything."""
    for path in paths:
        try:
            stream, _ = lab.container(node).get_archive(path)
            with tempfile.TemporaryFile() as spool:
                for chunk in stream:
                    spool.write(chunk)
                spool.seek(0)
                above = path.rpartition("/")[0]
                with tarfile.open(fileobj=spool) as archive:
                    for entry in archive:
                        file = archive.extractfile(entry) if entry.isfile() else None
                        if file is not None:
                            yield f"{above}/{entry.name}", file.read()
        except docker.errors.NotFound:
            continue
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            raise Failed(f"node {node}: the engine does not give {path}: {error}") from error
