"""Making a lab and removing it. ``up`` leads to the same healthy lab from wherever the last run ended."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import docker
import docker.errors
from lxml import etree

from quorate.cib.build import build
from quorate.cib.compare import difference
from quorate.cib.render_xml import render_cib
from quorate.cib.topology import SENTINEL
from quorate.lab import archive, config, containers, disks, images, provision, record
from quorate.lab.cluster import Lab
from quorate.lab.config import File, gateway_files, node_files
from quorate.lab.health import clones_of
from quorate.lab.progress import Progress
from quorate.lab.record import Record
from quorate.lab.services import SERVICES
from quorate.lib.problem import Problem

CODE_FILE = "/var/lib/quorate-lab.code"
"""On a node: the tag of the image whose agents it has."""

_GATEWAY_SOURCE = Path(__file__).with_name("gateway.py")

FORM = 60.0
"""Seconds for three nodes to form a cluster."""

SETTLE = 420.0
"""Seconds for every service to be started everywhere."""


def up(lab: Lab, release: int, topology_text: str, progress: Progress | None = None, *, bare: bool = False) -> bool:
    """Make *lab* exist and be healthy on Debian *release*; whether it had to be made from nothing.

    A lab that is complete is only checked (and gets new agents and a new CIB when those changed). One that is
    not, because an earlier run failed or its image is outdated, is removed and made again. *bare* stops once the
    nodes have formed a cluster, with an empty CIB. *topology_text* is kept for later commands.
    """
    progress = progress or Progress()
    image = images.ensure(lab.client, release, progress)
    layer = f"{images.layer_below_code(release)} {_rendering()}"
    with record.locked(lab.name):
        kept = record.read(lab.name)
        fresh = not _usable(lab, kept, release, layer, bare)
        if fresh:
            kept = _make(lab, release, image, layer, topology_text, progress)
        else:
            _refresh(lab, image, progress)
        assert kept is not None
        if not bare:
            _complete(lab, kept, progress)
    return fresh


def down(
    lab_name: str, client: docker.DockerClient, progress: Progress | None = None, *, with_images: bool = False
) -> bool:
    """Remove the lab *lab_name* with everything that it made; whether there was anything.

    Its images stay, for the next ``up``, unless *with_images* (then those of every lab that is not up go).
    """
    progress = progress or Progress()
    with record.locked(lab_name), progress.step(f"removing the lab {lab_name}"):
        existed = record.topology_file(lab_name).exists()
        existed = bool(containers.remove(client, lab_name)) or existed
    record.forget(lab_name)
    if with_images:
        with progress.step("removing images"):
            images.prune(client)
    return existed


def _rendering() -> str:
    """A digest of what decides, beside the image, what a container is: another one, and it must be made again."""
    sources = (_GATEWAY_SOURCE, Path(config.__file__), Path(containers.__file__), Path(disks.__file__))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def cib_xml(lab: Lab) -> str:
    """The CIB of the lab's topology."""
    return render_cib(build(lab.topology))


def without(xml: str, clones: Collection[str]) -> str:
    """The CIB *xml* without *clones* and without the constraints that speak of them."""
    root = etree.fromstring(xml.encode())
    gone = set()
    for clone in [clone for clone in root.iterfind("configuration/resources/clone") if clone.get("id") in clones]:
        gone |= {element.get("id") for element in clone.iter("clone", "group", "primitive")}
        _remove(clone)
    for constraint in root.findall("configuration/constraints/*"):
        named = {element.get(key) for element in constraint.iter() for key in ("rsc", "with-rsc", "first", "then")}
        named |= {element.get("id") for element in constraint.iter("resource_ref")}
        if named & gone:
            _remove(constraint)
    return etree.tostring(root, encoding="unicode")


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    assert parent is not None, "only what stands in a section is removed"
    parent.remove(element)


def _usable(lab: Lab, kept: Record | None, release: int, layer: str, bare: bool) -> bool:
    """Whether what is there was finished once and was made from what we would make it from today."""
    if kept is None or kept.release != release or not (kept.provisioned or bare):
        return False  # an unfinished one may have half a schema, which no later step can mend
    found = containers.of_lab(lab.client, lab.name)
    if sorted(container.id or "" for container in found) != sorted(kept.containers):
        return False
    if any(container.labels.get(containers.IMAGE_TAG_LABEL) != layer for container in found):
        return False
    addresses = {lab.layout.container(node.name): node.address for node in lab.topology.nodes}
    addresses[lab.layout.gateway_container] = lab.layout.gateway
    return {str(container.name): _address(lab, container.attrs) for container in found} == addresses


def _address(lab: Lab, attributes: dict[str, dict[str, dict[str, dict[str, dict[str, str]]]]]) -> str:
    """The fixed address of a container, which it keeps while its power is off."""
    endpoint = attributes["NetworkSettings"]["Networks"].get(lab.layout.network) or {}
    return (endpoint.get("IPAMConfig") or {}).get("IPv4Address", "")


def _make(lab: Lab, release: int, image: str, layer: str, topology_text: str, progress: Progress) -> Record:
    """Nodes and gateway from nothing, up to a formed cluster with an empty CIB."""
    if containers.of_lab(lab.client, lab.name) or containers.networks_of(lab.client, lab.name):
        with progress.step("removing what an earlier run left"):
            containers.remove(lab.client, lab.name)
    record.write(lab.name, Record(release))
    with progress.step("disks"):
        if why := disks.make(lab.client, lab.layout, image):
            progress.detail(f"none of their own for the nodes: {why}")
    with progress.step("network and nodes"):
        try:
            made = _create(lab, image, layer, topology_text)
        except Problem:
            # Nothing half-done: what stood in the way is somebody else's, and is named in the sentence.
            containers.remove(lab.client, lab.name)
            record.forget(lab.name)
            raise
        with ThreadPoolExecutor(len(lab.nodes)) as pool:
            list(pool.map(lab.power_on, lab.nodes))
    with progress.step("forming the cluster"):
        lab.wait_online(FORM)
    kept = Record(release, made)
    record.write(lab.name, kept)
    return kept


def _create(lab: Lab, image: str, layer: str, topology_text: str) -> tuple[str, ...]:
    """Network, running gateway, and nodes without power; the ids of the containers."""
    containers.create_network(lab.client, lab.layout)
    record.keep_topology(lab.name, topology_text)
    secrets = lab.secrets
    gateway = containers.create_gateway(lab.client, lab.layout, image, layer)
    accounts = archive.read_accounts(gateway)
    archive.put_files(gateway, gateway_files(secrets, _GATEWAY_SOURCE.read_bytes()), accounts)
    gateway.start()
    made = [gateway]
    for node in lab.topology.nodes:
        container = containers.create_node(lab.client, lab.layout, node, image, layer)
        files = (*node_files(lab.layout, secrets, node), File(CODE_FILE, image.encode()))
        archive.put_files(container, files, accounts)
        made.append(container)
    return tuple(container.id or "" for container in made)


def _refresh(lab: Lab, image: str, progress: Progress) -> None:
    """Power for nodes that have none, and the agents of *image* for nodes that have older ones."""
    disks.attach(lab.layout)
    gateway = lab.client.containers.get(lab.layout.gateway_container)
    if gateway.status != "running":
        gateway.start()
    off = [node for node in lab.nodes if node not in lab.running()]
    if off:
        with progress.step(f"powering on {', '.join(off)}"):
            for node in off:
                if lab.container(node).status == "paused":
                    lab.container(node).unpause()
                lab.power_on(node)
            lab.wait_online(FORM)
    outdated = [node for node in lab.nodes if _code_of(lab, node) != image]
    if outdated:
        with progress.step(f"new agents for {', '.join(outdated)}"):
            files = [
                File(path.removeprefix("rootfs"), content, mode=mode)
                for path, (content, mode) in images.installed().items()
            ]
            for node in outdated:
                _replace_code(lab, node, [*files, File(CODE_FILE, image.encode())])
        watching = [service.clone_id for service in lab.topology.services if service.name == SENTINEL]
        for clone in set(watching) & set(lab.clones()):
            with progress.step("restarting the sentinel, a daemon of ours"):
                lab.exec(lab.nodes[0], ["crm_resource", "--restart", "--resource", clone], timeout=SETTLE)


def _replace_code(lab: Lab, node: str, files: list[File]) -> None:
    """The agents of *node* become *files*. Services keep running: an agent is only read when it is called."""
    folders = sorted({str(Path(file.path).parent) for file in files})
    lab.exec(node, ["mkdir", "-p", *folders])
    lab.put(node, files)


def _code_of(lab: Lab, node: str) -> str:
    try:
        return archive.get_file(lab.container(node), CODE_FILE).decode()
    except docker.errors.NotFound:
        return ""


def _complete(lab: Lab, kept: Record, progress: Progress) -> None:
    """Databases, identities and the topology's CIB, as far as they are not there."""
    xml = cib_xml(lab)
    # By the ids of the clones: which agents run the services makes no difference.
    present = [service for service in SERVICES if service.clone in clones_of(xml)]
    names = [service.name for service in present]
    if not kept.provisioned:
        first = [name for name in names if name in provision.STATEFUL]
        with progress.step(f"starting {' and '.join(first) or 'the cluster'}"):
            lab.load_cib(without(xml, [service.clone for service in present if service.name not in first]))
            lab.wait_healthy(SETTLE)
        provision.databases(lab, names, progress)
    if difference(xml, lab.cib()) or lab.missing():
        with progress.step("loading the CIB"):
            lab.load_cib(xml)  # also takes back what a test left behind, such as a node in standby
            lab.cleanup()  # a resource that failed too often is not tried again by itself
    if lab.missing():
        with progress.step("waiting until everything is started everywhere"):
            lab.wait_healthy(SETTLE)
    if not kept.provisioned:
        if "keystone" in names:
            provision.identities(lab, progress)
        record.write(lab.name, replace(kept, provisioned=True))
