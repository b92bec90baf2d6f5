"""The parameter of the services that listen before they can answer, and the gate that it stands for."""

from __future__ import annotations

from quorate.lib.declare import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.daemon import Daemon
    from quorate.lib.gate import Gate

GATE = Parameter(
    "gate",
    "boolean",
    "true",
    reloadable=True,
    shortdesc="Refuse clients until the service answers",
    longdesc="While the service boots, it listens but cannot answer. With this, connections from other machines "
    "are refused meanwhile (by a packet filter rule, as long as the start lasts), so that clients take the next "
    "node at once instead of waiting. Without iptables on the host it has no effect.",
)


def gate_of(agent: Daemon, port: int) -> Gate:
    """The gate of an agent that has the parameter."""
    from quorate.lib.gate import Gate

    return Gate(agent.host, agent.log, agent.context.instance, port)
