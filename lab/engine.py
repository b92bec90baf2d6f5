"""The connection to the Docker engine, and one sentence for each way in which it can be refused."""

from __future__ import annotations

import os

import docker
import docker.errors
import requests.exceptions

from quorate.lib.problem import Unavailable

LAB_LABEL = "quorate.lab"
"""Label of every container and network of a lab; its value is the lab's name."""

IMAGE_LABEL = "quorate.image"
"""Label of every image of ours; its value is the layer's name."""

ROLE_LABEL = "quorate.role"
"""Label of a container: ``node`` or ``gateway``."""

NODE_LABEL = "quorate.node"
"""Label of a node's container: the name of the cluster node."""

DEFAULT_HOST = "unix:///var/run/docker.sock"


def connect(timeout: float = 60.0) -> docker.DockerClient:
    """A client of the engine at ``DOCKER_HOST``, or at the default socket; *timeout* is in seconds per call.

    Raises :class:`Unavailable` when nobody answers, or when this user may not ask.
    """
    host = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    try:
        client = docker.DockerClient.from_env(timeout=int(timeout), version="auto", max_pool_size=32)
        client.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise Unavailable(refusal(host, error)) from error
    return client


def refusal(host: str, error: BaseException) -> str:
    """Why the engine at *host* cannot be used, told from the first cause of *error* that we know."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PermissionError):
            return (
                f"no permission to use the Docker engine at {host}: "
                "run as root, or let an administrator add you to the group 'docker'"
            )
        if isinstance(cause, FileNotFoundError | ConnectionError):
            return f"no Docker engine answers at {host}; run `make engine`"
        cause = next((arg for arg in cause.args if isinstance(arg, BaseException)), None) or cause.__cause__
    text = str(error)
    if "Permission denied" in text:
        return refusal(host, PermissionError())
    if "No such file" in text or "refused" in text:
        return refusal(host, FileNotFoundError())
    return f"the Docker engine at {host} cannot be used: {text or type(error).__name__}"
