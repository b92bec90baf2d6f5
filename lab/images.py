"""The images of a lab: a chain of layers, each tagged with a hash of everything that it is made of.

A layer whose tag exists is not built again. What changes often (our own code) is the last one.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors

from quorate.lab import apt, paths
from quorate.lab.base import make_base
from quorate.lab.buildlog import BuildLog
from quorate.lab.engine import IMAGE_LABEL
from quorate.lab.progress import Progress
from quorate.lib.problem import Failed

RELEASE_LABEL = "quorate.release"
LAYERS = ("base", "stack", "data", "control", "dashboard", "config", "node")
"""From the first to the last; each is built from ``lab/image/<layer>/Dockerfile`` on top of the one before."""

TITLES = {
    "base": "package sources",
    "stack": "cluster stack",
    "data": "rabbitmq and mariadb",
    "control": "keystone and nova-api",
    "dashboard": "dashboard",
    "config": "configuration",
    "node": "agents",
}

Files = dict[str, tuple[bytes, int]]
"""The content and mode of each file of a build context, by its path."""


@dataclass(frozen=True)
class Layer:
    """One image of the chain: what it is built from, and the tag which that gives it."""

    name: str
    tag: str
    parent: str
    context: Callable[[], Files]


def plan(release: int, sources: apt.Sources) -> tuple[Layer, ...]:
    """The chain for Debian *release*: pure but for reading the project's own files."""
    parent = root_tag(release, sources)
    layers = []
    for name in LAYERS:
        inputs = _inputs(name, sources)
        digest = hashlib.sha256(parent.encode())
        for path in sorted(inputs):
            content, mode = inputs[path]
            digest.update(f"\0{path}\0{mode:o}\0{len(content)}\0".encode())
            digest.update(content)
        tag = f"quorate/{name}-{release}:{digest.hexdigest()[:12]}"
        layers.append(Layer(name, tag, parent, _context(name, inputs)))
        parent = tag
    return tuple(layers)


def root_tag(release: int, sources: apt.Sources) -> str:
    """The tag of the bare Debian below the chain."""
    digest = hashlib.sha256(f"{sources.suite}\0{sources.archive}".encode()).hexdigest()[:12]
    return f"quorate/root-{release}:{digest}"


def ensure(
    client: docker.DockerClient,
    release: int = apt.DEFAULT_RELEASE,
    progress: Progress | None = None,
) -> str:
    """Build what is missing of the chain for Debian *release*; the tag of the node's image.

    Raises :class:`Failed` with the last lines of the build when a layer cannot be built.
    """
    progress = progress or Progress()
    sources = apt.machine_sources(release)
    layers = plan(release, sources)
    if _exists(client, layers[-1].tag):
        return layers[-1].tag
    if not any(_exists(client, layer.tag) for layer in layers):
        root = layers[0].parent
        if not _exists(client, root):
            make_base(client, sources, root, {IMAGE_LABEL: "root", RELEASE_LABEL: str(release)}, progress)
    first = max((i + 1 for i, layer in enumerate(layers) if _exists(client, layer.tag)), default=0)
    for layer in layers[first:]:
        with progress.step(f"image: {TITLES[layer.name]}"):
            _build(client, layer, release, progress)
    prune(client, release, keep={layers[0].parent, *(layer.tag for layer in layers)})
    return layers[-1].tag


def layer_below_code(release: int) -> str:
    """The tag of the layer that our own code is put on: what a container cannot change while it lives."""
    return plan(release, apt.machine_sources(release))[-2].tag


def prune(client: docker.DockerClient, release: int | None = None, keep: Iterable[str] = ()) -> int:
    """Remove our images (of *release*, or of all) but those tagged in *keep* and those in use; how many."""
    kept = set(keep)
    labels = [IMAGE_LABEL] + ([f"{RELEASE_LABEL}={release}"] if release is not None else [])
    removed = 0
    for _ in LAYERS:  # a parent can be removed once its children are gone
        before = removed
        for image in client.images.list(filters={"label": labels}):
            if kept.isdisjoint(image.tags):
                try:
                    client.images.remove(image.id or "", force=len(image.tags) > 1)
                    removed += 1
                except docker.errors.APIError:
                    continue  # in use by a container, or the parent of an image that is kept
        if removed == before:
            break
    return removed


def _exists(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        return False
    return True


def _build(client: docker.DockerClient, layer: Layer, release: int, progress: Progress) -> None:
    log = BuildLog(paths.logs() / f"image-{layer.name}-{release}.log")
    stream: Iterator[dict[str, Any]] = client.api.build(
        fileobj=_tar(layer.context()),
        custom_context=True,
        tag=layer.tag,
        buildargs={"BASE": layer.parent},
        labels={IMAGE_LABEL: layer.name, RELEASE_LABEL: str(release)},
        network_mode="host",
        rm=True,
        forcerm=True,
        decode=True,
        timeout=1800,
    )
    with log:
        try:
            for event in stream:
                if error := event.get("error"):
                    raise Failed(f"building the image layer {layer.name!r} failed: {str(error).strip()}\n{log.tail()}")
                log.write(str(event.get("stream") or event.get("status") or ""))
                if said := log.interesting():
                    progress.detail(said)
        except docker.errors.DockerException as error:
            raise Failed(f"building the image layer {layer.name!r} failed: {error}\n{log.tail()}") from error


def _inputs(name: str, sources: apt.Sources) -> Files:
    """Everything that decides what the layer *name* will hold."""
    files = _folder(paths.IMAGE / name)
    if name == "base":
        files |= _base_files(sources)
    if name == "node":
        for package in ("lib", "agents"):
            files |= {
                f"source/{package}/{path}": entry
                for path, entry in _folder(paths.PROJECT / package).items()
                if "__pycache__" not in path
            }
        makefile = paths.PROJECT / "Makefile"
        if _can_install():
            # Only the target that lays out a node: a change elsewhere in the Makefile rebuilds nothing.
            files["source/Makefile"] = (_install_recipe(makefile.read_text()).encode(), 0o644)
    return files


def _context(name: str, inputs: Files) -> Callable[[], Files]:
    def context() -> Files:
        if name != "node":
            return inputs
        return {path: entry for path, entry in inputs.items() if not path.startswith("source/")} | installed()

    return context


def _base_files(sources: apt.Sources) -> Files:
    files: Files = {
        "files/etc/apt/sources.list.d/lab.sources": (sources.deb822.encode(), 0o644),
        "files/etc/apt/apt.conf.d/90lab": (
            sources.conf.encode()
            + b'APT::Install-Recommends "false";\nAPT::Install-Suggests "false";\nAcquire::Languages "none";\n',
            0o644,
        ),
        "files/etc/dpkg/dpkg.cfg.d/90lab": (
            b"force-unsafe-io\nforce-confdef\nforce-confold\npath-exclude=/usr/share/doc/*\n"
            b"path-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n",
            0o644,
        ),
        "files/usr/sbin/policy-rc.d": (b"#!/bin/sh\nexit 101\n", 0o755),
    }
    if sources.needs_ca_bundle and apt.CA_BUNDLE.exists():
        files[f"files{apt.CA_BUNDLE}"] = (apt.CA_BUNDLE.read_bytes(), 0o644)
    return files


def _can_install() -> bool:
    makefile = paths.PROJECT / "Makefile"
    return makefile.exists() and bool(re.search(r"^install:", makefile.read_text(), re.MULTILINE))


def _install_recipe(makefile: str) -> str:
    """The variables of a Makefile and the rules whose names begin with ``install``."""
    kept, inside = [], False
    for line in makefile.splitlines():
        if not line.startswith("\t"):
            inside = line.startswith("install") or bool(re.match(r"[A-Za-z_]+\s*[:?+]?=", line))
        if inside:
            kept.append(line)
    return "\n".join(kept)


def installed() -> Files:
    """What ``make install`` puts on a node, under ``rootfs/``."""
    with tempfile.TemporaryDirectory(prefix="quorate-install-") as folder:
        if _can_install():
            argv = ["make", "-C", str(paths.PROJECT), "--no-print-directory", "install", f"DESTDIR={folder}"]
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
            if done.returncode:
                said = (done.stderr or done.stdout).strip()
                raise Failed(f"`make install` failed, so there are no agents for the image: {said[-600:]}")
        files = {f"rootfs/{path}": entry for path, entry in _folder(Path(folder)).items()}
    return files or {"rootfs/.keep": (b"", 0o644)}


def _folder(folder: Path) -> Files:
    found: Files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (
            path.is_file()
            and not path.name.endswith("~")
            and (folder.is_relative_to("/tmp") or "__pycache__" not in name)
        ):
            found[name] = (path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)
    return found


def _tar(files: Files) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(files):
            content, mode = files[path]
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed
