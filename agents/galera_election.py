"""Who bootstraps a Galera cluster: a pure decision over what each node has published about itself.

Each node publishes ONE value, so that what it says changes as a whole:

* ``wait:UUID:SEQNO:SAFE``: stopped; the position its data directory holds, and whether it was the last to leave;
* ``boot:UUID:SEQNO:SAFE``: elected, and starting a new primary component;
* ``run:UUID``: part of a primary component.

Every node decides alone, with the same function over the same values. Only a node that is the best of *all* the peers
may bootstrap, and an elected node keeps saying so until it runs: two nodes never elect themselves.
"""

from __future__ import annotations

NO_UUID = "00000000-0000-0000-0000-000000000000"
WAIT, BOOT, RUN = "wait", "boot", "run"


class Position:
    """What one node says of itself. *seqno* is -1 for a data directory that never belonged to a cluster."""

    __slots__ = ("phase", "safe", "seqno", "uuid")

    def __init__(self, phase: str, uuid: str = NO_UUID, seqno: int = -1, safe: bool = False) -> None:
        self.phase = phase
        self.uuid = uuid
        self.seqno = seqno
        self.safe = safe

    @property
    def fresh(self) -> bool:
        return self.uuid == NO_UUID

    def encode(self) -> str:
        return self.phase + f":{self.uuid}" + ("" if self.phase == RUN else f":{self.seqno}:{int(self.safe)}")

    @classmethod
    def decode(cls, text: str) -> Position | None:
        """None for a value that no version of this agent wrote."""
        fields = text.split(":")
        if fields[0] == RUN and len(fields) == 2:
            return cls(RUN, fields[1])
        if fields[0] in (WAIT, BOOT) and len(fields) == 4 and fields[2].lstrip("-").isdigit():
            return cls(fields[0], fields[1], int(fields[2]), fields[3] == "1")
        return None


class Decision:
    """What this node does next: ``join``, ``bootstrap``, ``wait`` or ``refuse``; *why* is for the operator."""

    __slots__ = ("action", "why")

    def __init__(self, action: str, why: str) -> None:
        self.action = action
        self.why = why

    def __repr__(self) -> str:
        return f"{self.action}: {self.why}"


def decide(me: str, peers: tuple[str, ...], said: dict[str, Position], *, quorate: bool) -> Decision:
    """What node *me* does, given what each of *peers* (in the configured order) has *said*.

    ``run`` must be given only for nodes whose group port has been seen to answer: a crashed node's last word stays
    published until Pacemaker has stopped it.
    """
    running = [name for name in peers if name != me and name in said and said[name].phase == RUN]
    if running:
        return Decision("join", f"{running[0]} is in a primary component")
    if not quorate:
        return Decision("wait", "this partition has no quorum")
    booting = [name for name in peers if name != me and name in said and said[name].phase == BOOT]
    if booting:
        return Decision("wait", f"{booting[0]} is bootstrapping")
    missing = [name for name in peers if name not in said]
    present = [name for name in peers if name in said]
    histories = {said[name].uuid for name in present if not said[name].fresh}
    if len(histories) > 1:
        # Sequence numbers of two clusters say nothing about each other: to choose would be to discard one of them.
        named = ", ".join(f"{name} has {said[name].uuid}" for name in present if not said[name].fresh)
        return Decision("refuse", f"the data directories come from different clusters: {named}")
    if missing:
        # The last to leave in good order has everything, whatever the missing ones hold.
        safe = [name for name in present if said[name].safe and not said[name].fresh]
        if not safe:
            return Decision("wait", f"{', '.join(missing)} has not said yet what its data directory holds")
        best = safe[0]
    else:
        # A fresh data directory has seqno -1; the order of the peers decides between equals.
        best = max(present, key=lambda name: (said[name].seqno, said[name].safe, -peers.index(name)))
    if best != me:
        return Decision("wait", f"{best} has the newest data ({said[best].seqno}) and bootstraps")
    return Decision("bootstrap", f"this node has the newest data ({said[me].seqno}) of {', '.join(present)}")
