"""The ``peers`` parameter of the clustered services: every node that belongs, with the address it talks from."""

from __future__ import annotations

from quorate.lib.declare import Parameter
from quorate.lib.rc import ERR_CONFIGURED, OcfError

PEERS = Parameter(
    "peers",
    required=True,
    fill="peers",
    shortdesc="Nodes of the cluster",
    longdesc="Every node that belongs to the service's cluster, as 'name=address', separated by blanks: "
    "'n1=10.0.0.1 n2=10.0.0.2 n3=10.0.0.3'. The names are those that Pacemaker uses. The order decides only between "
    "nodes that are equal in everything else.",
)


ADDRESS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"


def parse_peers(text: str) -> dict[str, str]:
    """``{node: address}`` in the order given. Raises OcfError(ERR_CONFIGURED)."""
    peers: dict[str, str] = {}
    for word in text.split():
        name, equals, address = word.partition("=")
        if not (name and equals and address) or address.strip(ADDRESS):
            raise OcfError(ERR_CONFIGURED, f"parameter peers must hold name=address pairs, not '{word}'")
        if name in peers:
            raise OcfError(ERR_CONFIGURED, f"parameter peers names {name} twice")
        peers[name] = address
    return peers
