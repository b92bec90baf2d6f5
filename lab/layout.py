"""Names and addresses of a lab: pure, from a topology, a lab's name and (perhaps) another subnet."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quorate.cib import reader
from quorate.cib.topology import Node, Topology
from quorate.lib.problem import Problem

DEFAULT_NAME = "quorate"
GATEWAY = "gateway"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PREFIX = 24


@dataclass(frozen=True)
class Layout:
    """Where everything of the lab *name* is. *subnet* is CIDR text; *gateway* is the fencing gateway's address."""

    name: str
    nodes: tuple[Node, ...]
    subnet: str
    bridge: str
    gateway: str

    @property
    def network(self) -> str:
        """The name of the lab's network in the engine."""
        return f"{self.name}-net"

    @property
    def gateway_container(self) -> str:
        """The container of the fencing gateway."""
        return self.container(GATEWAY)

    def container(self, node: str) -> str:
        """The container of *node*."""
        return f"{self.name}-{node}"

    def address(self, node: str) -> str:
        """The address of *node*; an unknown one is a :class:`Problem`."""
        for known in self.nodes:
            if known.name == node:
                return known.address
        names = ", ".join(known.name for known in self.nodes)
        raise Problem(f"the lab {self.name!r} has no node {node!r} (it has {names})")

    @property
    def hosts(self) -> dict[str, str]:
        """The names that every container of the lab can resolve."""
        return {node.name: node.address for node in self.nodes} | {GATEWAY: self.gateway}


def make_layout(name: str, nodes: Sequence[Node]) -> Layout:
    """The layout of the lab *name* for *nodes*, which must fit in one /24.

    Host .1 is the engine's bridge; the fencing gateway takes the first host that no node has.
    """
    if not _NAME.fullmatch(name):
        raise Problem(f"a lab's name is lower-case letters, digits and dashes (at most 31), not {name!r}")
    addresses = [_address(node) for node in nodes]
    subnet = ipaddress.IPv4Network((addresses[0], _PREFIX), strict=False)
    for node, address in zip(nodes, addresses, strict=True):
        if address not in subnet:
            raise Problem(f"node {node.name!r}: a lab's nodes share one /{_PREFIX}, but {address} is not in {subnet}")
        if address == subnet[1] or address in (subnet[0], subnet[-1]):
            raise Problem(f"node {node.name!r}: {address} is reserved in {subnet} (network, bridge or broadcast)")
        if node.name == GATEWAY:
            raise Problem(f"a node of a lab cannot be called {GATEWAY!r}: that is the fencing gateway's name")
    free = next(host for host in list(subnet.hosts())[1:] if host not in addresses)
    return Layout(name, tuple(nodes), str(subnet), str(subnet[1]), str(free))


def topology_text(path: Path, subnet: str | None = None) -> str:
    """The text of the topology in the file *path*, with each node's address moved into *subnet* (a /24) if given.

    The text is what is re-addressed, so that an address in a parameter moves as well.
    """
    nodes = reader.read_topology(path).nodes
    text = path.read_text(encoding="utf-8")
    return text if subnet is None else readdress(text, nodes, subnet)


def read_topology(path: Path, subnet: str | None = None) -> Topology:
    """The topology in the file *path*, moved into *subnet* if given."""
    return reader.parse_topology(topology_text(path, subnet), str(path))


def readdress(text: str, nodes: Sequence[Node], subnet: str) -> str:
    """*text* with each address of *nodes* replaced by the same host of *subnet*."""
    try:
        target = ipaddress.IPv4Network(subnet if "/" in subnet else f"{subnet}/{_PREFIX}")
    except ValueError as error:
        raise Problem(f"--subnet {subnet}: {error}") from None
    if target.prefixlen != _PREFIX:
        raise Problem(f"--subnet {subnet}: a lab's subnet is a /{_PREFIX}")
    moved = {node.address: str(target[int(_address(node)) & 0xFF]) for node in nodes}
    pattern = "|".join(re.escape(address) for address in moved)
    return re.sub(rf"(?<![\d.])({pattern})(?![\d.])", lambda match: moved[match[1]], text)


def overlapping(subnet: str, taken: Sequence[tuple[str, str]]) -> str | None:
    """The owner of the first range in *taken* (owner, CIDR) that overlaps with *subnet*."""
    wanted = ipaddress.ip_network(subnet)
    for owner, cidr in taken:
        try:
            other = ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            continue
        if other.version == 4 and other.prefixlen and wanted.overlaps(other):
            return f"{owner} ({cidr})"
    return None


def kernel_routes(text: str) -> list[tuple[str, str]]:
    """(interface, CIDR) of each route in *text*, which has the form of ``/proc/net/route``."""
    routes = []
    for line in text.splitlines()[1:]:
        columns = line.split()
        if len(columns) >= 8:
            target, mask = (int.from_bytes(bytes.fromhex(columns[i]), "little") for i in (1, 7))
            routes.append((f"interface {columns[0]}", f"{ipaddress.ip_address(target)}/{ipaddress.ip_address(mask)}"))
    return routes


def _address(node: Node) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(node.address)
    except ValueError:
        raise Problem(f"node {node.name!r}: a lab needs an IPv4 address, not {node.address!r}") from None
