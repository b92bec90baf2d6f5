"""The bare Debian below our images: pulled where a registry answers, else made with debootstrap."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import docker
import docker.errors
import requests.exceptions

from quorate.lab import apt, paths
from quorate.lab.buildlog import BuildLog
from quorate.lab.progress import Progress
from quorate.lib.problem import Failed, Unavailable

REGISTRY_PATIENCE = 10
"""Seconds of silence after which a registry counts as absent."""


def make_base(
    client: docker.DockerClient, sources: apt.Sources, tag: str, labels: dict[str, str], progress: Progress
) -> None:
    """Give the engine an image *tag* with a minimal Debian of ``sources.suite``, labelled with *labels*."""
    with progress.step(f"image: Debian {sources.suite}"):
        progress.detail("asking a registry")
        if not _pulled(client, sources.suite, tag, labels):
            _bootstrapped(client, sources, tag, labels, progress)


def _pulled(client: docker.DockerClient, suite: str, tag: str, labels: dict[str, str]) -> bool:
    """Whether a registry gave us Debian's slim image within its patience."""
    name = f"debian:{suite}-slim"
    impatient = docker.DockerClient.from_env(timeout=REGISTRY_PATIENCE, version="auto")
    try:
        for event in impatient.api.pull("debian", tag=f"{suite}-slim", stream=True, decode=True):
            if "error" in event:
                return False
        # A tag alone cannot carry our label, and without it the image could never be pruned.
        made = impatient.containers.create(name)
        try:
            repository, version = tag.rsplit(":", 1)
            changes = "\n".join(f"LABEL {key}={value}" for key, value in labels.items())
            made.commit(repository=repository, tag=version, changes=changes)
        finally:
            made.remove(force=True)
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return False
    finally:
        impatient.close()
    return True


def _bootstrapped(
    client: docker.DockerClient, sources: apt.Sources, tag: str, labels: dict[str, str], progress: Progress
) -> None:
    if shutil.which("debootstrap") is None:
        raise Unavailable("no registry answers and debootstrap is not installed: run `make engine`, which installs it")
    if os.geteuid() != 0:
        raise Unavailable("no registry answers, and making the base image with debootstrap needs root")
    work = paths.state() / "build"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="base-", dir=work) as folder:
        root = Path(folder) / "root"
        argv = [
            "debootstrap",
            "--variant=minbase",
            "--include=ca-certificates",
            sources.suite,
            str(root),
            sources.archive,
        ]
        with BuildLog(paths.logs() / f"image-root-{sources.suite}.log") as log:
            _run_logged(argv, _environment(sources), log, progress)
        _import(client, root, tag, labels)


def _environment(sources: apt.Sources) -> dict[str, str]:
    """This process's environment with apt's proxies, which debootstrap does not read by itself."""
    options = dict(sources.options)
    proxies = {f"{scheme}_proxy": options.get(f"Acquire::{scheme}::Proxy", "") for scheme in ("http", "https")}
    return {**os.environ, **{name: value for name, value in proxies.items() if value}}


def _run_logged(argv: list[str], environment: dict[str, str], log: BuildLog, progress: Progress) -> None:
    with subprocess.Popen(
        argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            progress.detail(log.interesting())
    if process.returncode:
        raise Failed(f"{argv[0]} ended with {process.returncode} while making the base image:\n{log.tail()}")


def _import(client: docker.DockerClient, root: Path, tag: str, labels: dict[str, str]) -> None:
    repository, version = tag.rsplit(":", 1)
    changes = [f"LABEL {key}={value}" for key, value in labels.items()] + ['CMD ["/bin/bash"]']
    argv = ["tar", "-C", str(root), "--numeric-owner", "--exclude=./var/cache/apt/archives/*.deb", "-c", "."]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as packing:
        said = client.api.import_image_from_stream(packing.stdout, repository=repository, tag=version, changes=changes)
    if packing.returncode or '"error"' in str(said):
        raise Failed(f"the engine did not take the base image: {str(said).strip() or 'tar failed'}")
