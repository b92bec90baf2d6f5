"""A disk of limited size for the data of each clustered service on each node, so that it can fill up like a real one.

Each is an ext4 file system in a file of the lab's folder, mounted on this machine; a folder of it is the volume that
the node's container has its data in. Contents survive whatever happens to the container and to the engine. It takes
root here and an engine on this machine; a lab without disks works all the same, but none of them can be filled.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import docker
import docker.errors

from quorate.lab import engine, record
from quorate.lab.layout import Layout
from quorate.lab.services import SERVICES, Service
from quorate.lib.problem import Failed

_COMMAND = 60.0
"""Seconds that a command on a file system gets."""
_DATA = "data"
_FILL = "fill"


@dataclass(frozen=True)
class Disk:
    """The disk of *service* on *node* of the lab *lab*."""

    lab: str
    node: str
    service: Service

    @property
    def image(self) -> Path:
        """The file that holds the file system."""
        return _folder(self.lab) / f"{self.node}-{self.service.name}.img"

    @property
    def mount_point(self) -> Path:
        """Where it is mounted on this machine."""
        return self.image.with_suffix("")

    @property
    def data(self) -> Path:
        """The service's data on it. What lies beside takes space, but the service does not see it."""
        return self.mount_point / _DATA

    @property
    def volume(self) -> str:
        """The engine's name for the data."""
        return f"{self.lab}-{self.node}-{self.service.name}"

    @property
    def mounted(self) -> bool:
        return self.mount_point.is_mount()

    def make(self) -> None:
        """An empty file system, mounted. Raises :class:`Failed` when this machine cannot."""
        self.mount_point.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.image.open("wb") as file:
            file.truncate(self.service.disk)
        _command("mkfs.ext4", "-q", "-F", "-m", "0", "-i", "32768", str(self.image))
        self.mount()
        self.data.mkdir(mode=0o755)

    def mount(self) -> None:
        """Mount it; mounted already is fine."""
        if not self.mounted:
            _command("mount", "-o", "loop", str(self.image), str(self.mount_point))

    def unmount(self) -> None:
        """Unmount it; not mounted is fine."""
        if self.mounted:
            _command("umount", str(self.mount_point))

    def free(self) -> int:
        """Bytes that can still be written to it."""
        state = os.statvfs(self.mount_point)
        return state.f_bavail * state.f_frsize

    def fill(self) -> None:
        """Take all the space that is left."""
        with (self.mount_point / _FILL).open("ab", buffering=0) as file:
            size = self.free()
            # What is reserved is gone like what is written, and costs this machine's disk nothing.
            while size >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
                except OSError:
                    size //= 2
                else:
                    size = min(size, self.free())

    def relieve(self) -> None:
        """Give back what :meth:`fill` took; nothing taken is fine."""
        (self.mount_point / _FILL).unlink(missing_ok=True)


def disks_of(lab: str, nodes: tuple[str, ...]) -> tuple[Disk, ...]:
    """Every disk that the lab *lab* with *nodes* can have."""
    return tuple(Disk(lab, node, service) for node in nodes for service in SERVICES if service.data)


def objection() -> str:
    """Why this machine cannot give a lab's nodes disks of their own; empty when it may be able to."""
    if os.geteuid() != 0:
        return "only root can mount a disk for a node's data"
    if not (os.environ.get("DOCKER_HOST") or engine.DEFAULT_HOST).startswith("unix://"):
        return "the engine is on another machine, which cannot mount a disk of this one"
    missing = [name for name in ("mkfs.ext4", "mount", "umount") if shutil.which(name) is None]
    return f"this machine has no {missing[0]}, which a disk for a node's data takes" if missing else ""


def make(client: docker.DockerClient, layout: Layout, image: str) -> str:
    """Disks and volumes for all nodes of *layout*, which will be made from *image*; or none, and why there are none."""
    why = objection()
    made = disks_of(layout.name, tuple(node.name for node in layout.nodes))
    remove(client, layout.name)
    if not why:
        try:
            for disk in made:
                disk.make()
                client.volumes.create(
                    disk.volume,
                    driver="local",
                    driver_opts={"type": "none", "o": "bind", "device": str(disk.data)},
                    labels={engine.LAB_LABEL: layout.name},
                )
            # The engine may not see what is mounted here: a first container, which is never started, tells.
            client.containers.create(image, volumes=volumes(layout, layout.nodes[0].name)).remove()
        except (Failed, OSError, docker.errors.APIError) as error:
            why = str(error)
            remove(client, layout.name)
    return why


def volumes(layout: Layout, node: str) -> dict[str, dict[str, str]]:
    """What the container of *node* has its data in, as the engine wants to hear it; nothing without disks."""
    return {
        disk.volume: {"bind": disk.service.data, "mode": "rw"}
        for disk in disks_of(layout.name, (node,))
        if disk.mounted
    }


def attach(layout: Layout) -> None:
    """Mount the disks that there are, for this machine may have been started anew; none of them is filled up by us."""
    for disk in disks_of(layout.name, tuple(node.name for node in layout.nodes)):
        if disk.image.exists():
            disk.mount()
            disk.relieve()


def remove(client: docker.DockerClient, name: str) -> int:
    """Remove the volumes and the disks of the lab *name*, whose containers are gone; how many there were.

    The volumes tell where the disks are: a lab may have been made from another checkout.
    """
    removed = 0
    folders = {_folder(name)}
    for volume in client.volumes.list(filters={"label": f"{engine.LAB_LABEL}={name}"}):
        device = ((volume.attrs or {}).get("Options") or {}).get("device", "")
        if device.endswith(f"/disks/{volume.name.removeprefix(f'{name}-')}/{_DATA}"):
            folders.add(Path(device).parent.parent)
        with contextlib.suppress(docker.errors.NotFound):
            volume.remove(force=True)
    for folder in folders:
        removed += _clear(folder)
    return removed


def _clear(folder: Path) -> int:
    removed = 0
    points = {entry.with_suffix("") for entry in folder.iterdir()} if folder.is_dir() else set()
    for point in sorted(points):
        if point.is_mount():
            _command("umount", str(point))
        if point.is_dir():
            point.rmdir()
        point.with_suffix(".img").unlink(missing_ok=True)
        removed += 1
    if folder.is_dir():
        folder.rmdir()
    return removed


def _folder(lab: str) -> Path:
    return record.folder(lab) / "disks"


def _command(*argv: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_COMMAND)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"`{' '.join(argv)}` did not work: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise Failed(f"`{' '.join(argv)}` ended with {done.returncode}: {said[-300:]}")
