"""Who bootstraps a Galera cluster: a pure decision over what each node has published about itself.

Each node publishes ONE value, so that what it says changes as a whole:

* ``wait:UUID:SEQNO:SAFE``: stopped; the position its data directory holds, and whether it was the last to leave;
* ``boot:UUID:SEQNO:SAFE``: elected, and starting a new primary component;
* ``join:UUID``: its server runs in order to join, so that its position changes; unknown until it runs or is stopped;
* ``run:UUID``: part of a primary component;
* ``out:UUID``: its server runs outside the primary component: nobody can join it, and only when it is stopped can it
  say what its data directory holds.

Every node decides alone, with the same function over the same values. Only a node that is the best of *all* the peers
may bootstrap, and an elected node keeps saying so until it runs: two nodes never elect themselves.
"""

from __future__ import annotations

NO_UUID = "00000000-0000-0000-0000-000000000000"
WAIT, BOOT, JOIN, RUN, OUT = "wait", "boot", "join", "run", "out"
# Not published: what a node that says 'run' is for the others once its group port does not answer.
GONE = "gone"


class Position:
    """What one node says of itself. *seqno* is -1 for a data directory that never belonged to a cluster."""

    __slots__ = ("phase", "safe", "seqno", "uuid")

    def __init__(self, phase: str, uuid: str = NO_UUID, seqno: int = -1, safe: bool = False) -> None:
        self.phase = phase
        self.uuid = uuid
        self.seqno = seqno
        self.safe = safe

    @property
    def known(self) -> bool:
        """Whether the position is that of the data: the node's server does not run, or has only begun to."""
        return self.phase in (WAIT, BOOT)

    @property
    def fresh(self) -> bool:
        return self.uuid == NO_UUID

    def encode(self) -> str:
        return f"{self.phase}:{self.uuid}" + (f":{self.seqno}:{int(self.safe)}" if self.known else "")

    @classmethod
    def decode(cls, text: str) -> Position | None:
        """None for a value that no version of this agent wrote."""
        fields = text.split(":")
        if fields[0] in (JOIN, RUN, OUT) and len(fields) == 2:
            return cls(fields[0], fields[1])
        if fields[0] in (WAIT, BOOT) and len(fields) == 4:
            digits = fields[2].removeprefix("-")
            if digits.isascii() and digits.isdecimal() and len(digits) < 20:
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

    ``run`` must be given only for nodes whose group port has been seen to answer, ``gone`` for the others that say
    so: a crashed node's last word stays published until Pacemaker has stopped it.
    """
    mine = said.get(me)
    running = [name for name in peers if name != me and name in said and said[name].phase == RUN]
    for name in running:
        if mine and not mine.fresh and not said[name].fresh and mine.uuid != said[name].uuid:
            # To join would be to have this node's data replaced by theirs.
            return Decision("refuse", f"this node has data of cluster {mine.uuid}, {name} runs {said[name].uuid}")
    if running:
        return Decision("join", f"{running[0]} is in a primary component")
    if not quorate:
        return Decision("wait", "this partition has no quorum")
    booting = [name for name in peers if name != me and name in said and said[name].phase == BOOT]
    if booting:
        return Decision("wait", f"{booting[0]} is bootstrapping")
    missing = [name for name in peers if name not in said or not said[name].known]
    present = [name for name in peers if name not in missing]
    histories = {said[name].uuid for name in present if not said[name].fresh}
    if len(histories) > 1:
        # Sequence numbers of two clusters say nothing about each other: to choose would be to discard one of them.
        named = ", ".join(f"{name} has {said[name].uuid}" for name in present if not said[name].fresh)
        return Decision("refuse", f"the data directories come from different clusters: {named}")
    if missing:
        # The last to leave in good order has everything, whatever the missing ones hold: unless one of them has been
        # running since, or a node that is here is ahead of it.
        newest = max((said[name].seqno for name in present), default=-1)
        safe = [n for n in present if said[n].safe and not said[n].fresh and said[n].seqno == newest]
        if not safe or any(name in said for name in missing):
            outside = [name for name in missing if name in said and said[name].phase == OUT]
            if outside:
                return Decision("wait", f"{outside[0]} runs outside the primary component and must be stopped first")
            return Decision("wait", f"{', '.join(missing)} has not said yet what its data directory holds")
        best = safe[0]
    else:
        # A fresh data directory has seqno -1; the order of the peers decides between equals.
        best = max(present, key=lambda name: (said[name].seqno, said[name].safe, -peers.index(name)))
    if best != me:
        return Decision("wait", f"{best} has the newest data ({said[best].seqno}) and bootstraps")
    return Decision("bootstrap", f"this node has the newest data ({said[me].seqno}) of {', '.join(present)}")


def forsaken(me: str, peers: tuple[str, ...], said: dict[str, Position]) -> bool:
    """Whether a start that waits on *me* waits for peers that nobody starts, given what each has *said*.

    While a start is under way Pacemaker begins nothing new, so a peer that failed a moment later, or that has to be
    stopped first, is dealt with only when this start has ended.
    """
    others = [said[name] for name in peers if name != me and name in said]
    if any(position.phase in (BOOT, JOIN) for position in others) and not outside(me, said):
        return False
    return any(name not in said or said[name].phase in (GONE, OUT) for name in peers if name != me)


def outside(me: str, said: dict[str, Position]) -> bool:
    """Whether a node other than *me* says that it runs outside the primary component."""
    return any(position.phase == OUT for name, position in said.items() if name != me)


def stranded(me: str, said: dict[str, Position]) -> bool:
    """Whether *me*, outside the primary component, keeps a peer waiting for what its data directory holds.

    The component cannot come back by itself then: the peer that waits was a member of it and does not run.
    """
    others = [position.phase for name, position in said.items() if name != me]
    return WAIT in others and not any(phase in (RUN, BOOT) for phase in others)
