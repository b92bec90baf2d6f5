"""The engine's objects of one lab: its network, its nodes' containers and its gateway. All carry the lab's label."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import docker.types

from quorate.cib.topology import Node
from quorate.lab import disks, engine
from quorate.lab.config import GATEWAY_PROGRAM, GATEWAY_SECRET
from quorate.lab.layout import Layout, kernel_routes, overlapping
from quorate.lib.problem import Failed, Problem

if TYPE_CHECKING:
    from docker.models.containers import Container
    from docker.models.networks import Network

IMAGE_TAG_LABEL = "quorate.layer"
"""Label of a container: what a code update cannot change (the image layer below our code, our configuration)."""

BOOT = "/usr/lib/quorate-lab/boot"
NODE_MEMORY = "3g"
GATEWAY_MEMORY = "128m"
_ROUTES = Path("/proc/net/route")


def of_lab(client: docker.DockerClient, name: str, role: str | None = None) -> list[Container]:
    """The containers of the lab *name*, running or not; only those of *role* (``node``, ``gateway``) if given."""
    labels = [f"{engine.LAB_LABEL}={name}"] + ([f"{engine.ROLE_LABEL}={role}"] if role else [])
    return client.containers.list(all=True, ignore_removed=True, filters={"label": labels})


def networks_of(client: docker.DockerClient, name: str) -> list[Network]:
    """The networks of the lab *name*."""
    return client.networks.list(filters={"label": f"{engine.LAB_LABEL}={name}"})


def names(client: docker.DockerClient) -> tuple[str, ...]:
    """The names of all labs that have a container here."""
    labelled = client.containers.list(all=True, ignore_removed=True, filters={"label": engine.LAB_LABEL})
    return tuple(sorted({container.labels[engine.LAB_LABEL] for container in labelled}))


def remove(client: docker.DockerClient, name: str) -> int:
    """Remove all containers, networks and disks of the lab *name*; how many there were."""
    removed = 0
    for container in of_lab(client, name):
        try:
            container.remove(force=True, v=True)
            removed += 1
        except docker.errors.NotFound:
            continue
    for network in networks_of(client, name):
        network.reload()
        for guest in network.attrs.get("Containers") or {}:
            network.disconnect(guest, force=True)  # not ours: ours are gone already
        network.remove()
        removed += 1
    return removed + disks.remove(client, name)


def create_network(client: docker.DockerClient, layout: Layout) -> None:
    """The lab's bridge. Raises :class:`Problem` naming who has the range when it is taken."""
    taken = overlapping(layout.subnet, _taken(client))
    if taken:
        raise Problem(
            f"the range {layout.subnet} of the lab {layout.name!r} is taken by {taken}: "
            "choose another with --subnet, or take that one down"
        )
    pool = docker.types.IPAMPool(subnet=layout.subnet, gateway=layout.bridge)
    try:
        client.networks.create(
            layout.network,
            driver="bridge",
            ipam=docker.types.IPAMConfig(pool_configs=[pool]),
            labels={engine.LAB_LABEL: layout.name},
        )
    except docker.errors.APIError as error:
        raise Failed(f"the engine did not make the network {layout.network}: {error.explanation}") from error


def _taken(client: docker.DockerClient) -> list[tuple[str, str]]:
    """(owner, CIDR) of every range in use: the engine's networks, then the machine's routes."""
    found = []
    for network in client.networks.list():
        lab = (network.attrs.get("Labels") or {}).get(engine.LAB_LABEL)
        owner = f"the network {network.name!r}" + (f" of the lab {lab!r}" if lab else "")
        for pool in (network.attrs.get("IPAM") or {}).get("Config") or []:
            found.append((owner, str(pool.get("Subnet", ""))))
    return found + (kernel_routes(_ROUTES.read_text()) if _ROUTES.exists() else [])


def create_node(client: docker.DockerClient, layout: Layout, node: Node, image: str, layer: str) -> Container:
    """The container of *node*, not started."""
    return _create(
        client,
        layout,
        image,
        name=layout.container(node.name),
        hostname=node.name,
        address=node.address,
        command=[BOOT],
        labels={engine.ROLE_LABEL: "node", engine.NODE_LABEL: node.name, IMAGE_TAG_LABEL: layer},
        # Corosync wants a realtime priority and Galera's peers are cut off with iptables.
        cap_add=["NET_ADMIN", "SYS_NICE", "IPC_LOCK", "SYS_PTRACE"],
        shm_size="256m",
        mem_limit=NODE_MEMORY,
        # A power cycle must leave nothing in /run, as on a machine.
        tmpfs={"/run": "mode=755,size=64m"},
        volumes=disks.volumes(layout, node.name),
    )


def create_gateway(client: docker.DockerClient, layout: Layout, image: str, layer: str) -> Container:
    """The container of the fencing gateway, not started: the only one that holds the engine's socket."""
    host = os.environ.get("DOCKER_HOST") or engine.DEFAULT_HOST
    path = host.removeprefix("unix://") if host.startswith("unix://") else "/var/run/docker.sock"
    return _create(
        client,
        layout,
        image,
        name=layout.gateway_container,
        hostname="gateway",
        address=layout.gateway,
        command=["python3", "-u", GATEWAY_PROGRAM, layout.name, GATEWAY_SECRET],
        labels={engine.ROLE_LABEL: "gateway", IMAGE_TAG_LABEL: layer},
        mem_limit=GATEWAY_MEMORY,
        volumes={path: {"bind": "/var/run/docker.sock", "mode": "rw"}},
        # Without it the lab could not power a node on after the engine restarted.
        restart_policy={"Name": "unless-stopped"},
    )


def _create(
    client: docker.DockerClient,
    layout: Layout,
    image: str,
    *,
    name: str,
    address: str,
    labels: dict[str, str],
    **options: Any,
) -> Container:
    endpoint = client.api.create_endpoint_config(ipv4_address=address)
    try:
        return client.containers.create(
            image,
            name=name,
            init=True,
            network=layout.network,
            networking_config={layout.network: endpoint},
            extra_hosts=layout.hosts,
            labels={engine.LAB_LABEL: layout.name, **labels},
            log_config=docker.types.LogConfig(type="json-file", config={"max-size": "10m", "max-file": "2"}),
            **options,
        )
    except docker.errors.APIError as error:
        if error.status_code == 409:
            raise Problem(
                f"the engine has a container {name!r} that is not of the lab {layout.name!r}: "
                "remove or rename it, or give the lab another name with --name"
            ) from error
        raise Failed(f"the engine did not make the container {name}: {error.explanation}") from error
