"""What the clustered services share: the nodes that belong, and the word that each publishes about itself."""

from __future__ import annotations

from quorate.lib.daemon import Daemon
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


class Clustered(Daemon):
    """A daemon that forms one cluster with its peers, and publishes what it is doing as one private attribute."""

    def peers(self) -> dict[str, str]:
        return parse_peers(self.params.text("peers"))

    def validate(self) -> None:
        super().validate()
        peers = self.peers()
        if self.context.action == "start" and self.node() not in peers:
            raise OcfError(ERR_CONFIGURED, f"parameter peers does not name this node ({self.node()})")

    def attribute(self) -> str:
        return f"quorate-{self.context.instance}"

    def publish(self, word: str) -> None:
        self.host.attributes.set(self.attribute(), word)

    def published(self) -> dict[str, str]:
        """The last word of each node that has published one."""
        return self.host.attributes.all(self.attribute())

    def before_stop(self) -> None:
        # Withdrawn before the service goes, so that nobody joins what is about to end. Without a cluster to tell
        # (a stop by hand, Pacemaker ending) the attribute is gone with it.
        try:
            self.host.attributes.clear(self.attribute())
        except OcfError as error:
            self.log.info(f"stop: {error.reason}")
