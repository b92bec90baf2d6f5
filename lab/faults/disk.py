"""No space left on the disk that holds a service's data."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quorate.lab import disks
from quorate.lab.fault import Injected, NotInjected
from quorate.lab.faults import mending
from quorate.lab.services import service
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

_FULL = 65536
"""Bytes of free space that nothing of use can be written to any more."""

# Runs on the node as root, to whom the system gives the last blocks: if root cannot write, nobody can.
_WRITE = """
import errno, os, sys
path = os.path.join(sys.argv[1], ".quorate-chaos")
try:
    with open(path, "wb", buffering=0) as file:
        for _ in range(256):
            file.write(bytes(4096))
    print("written")
except OSError as error:
    print(errno.errorcode[error.errno])
finally:
    try:
        os.unlink(path)
    except OSError:
        pass
"""


@dataclass(frozen=True)
class DiskFull:
    """The disk with the data of *service* is filled to the last block on *count* nodes, and emptied by healing."""

    service: str
    count: int = 1

    @property
    def name(self) -> str:
        return f"disk-full-{self.service}{mending.suffix(self.count)}"

    @property
    def about(self) -> str:
        where = mending.words(self.count)
        return f"no space left on the disk with the data of {self.service} on {where}; a write there is seen to fail"

    def available(self, lab: Lab) -> str:
        if service(self.service).clone not in lab.clones():
            return f"{self.service} is not in the lab's topology"
        for node in lab.nodes:
            disk = self._disk(lab, node)
            there = {mount.get("Name") for mount in lab.container(node).attrs.get("Mounts", ())}
            if disk.volume not in there or not disk.mounted:
                why = disks.objection() or "the lab was made without: make it anew with `quorate lab down` and `up`"
                return f"the data of {self.service} on {node} has no disk of its own that could be filled ({why})"
        return mending.too_few(lab, self.count)

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        nodes = mending.choose(lab, chance, self.count)
        # The space is taken from outside: healing needs nothing of the node, which may be off by then.
        with mending.healed_by(*(partial(self._relieve, lab, node) for node in nodes)):
            said = []
            for node in nodes:
                disk = self._disk(lab, node)
                before = disk.free()
                disk.fill()
                left = disk.free()
                seen = self._write(lab, node)
                if left > _FULL or seen != "ENOSPC":
                    raise NotInjected(f"node {node}: {left} bytes are left for {self.service}; a write there: {seen}")
                said.append(f"{node}: {before >> 20} MiB free before, {left >> 10} KiB now, a write ends with ENOSPC")
            yield Injected(nodes, "; ".join(said))

    def _disk(self, lab: Lab, node: str) -> disks.Disk:
        return disks.Disk(lab.name, node, service(self.service))

    def _relieve(self, lab: Lab, node: str) -> None:
        try:
            self._disk(lab, node).relieve()
        except OSError as error:
            raise Failed(f"node {node}: the disk of {self.service} is still full: {error}") from error

    def _write(self, lab: Lab, node: str) -> str:
        folder = service(self.service).data
        script = ["/usr/bin/python3", "-I", "-S", "-", folder]
        return lab.exec(node, script, stdin=_WRITE, timeout=20).out.strip()
