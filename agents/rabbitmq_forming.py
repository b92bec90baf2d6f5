"""How a RabbitMQ node comes into its cluster: a pure decision over what each node has published about itself.

Each node publishes one value: ``fresh`` (waiting, its data directory was never used), ``data`` (starting or waiting
with the data of an earlier life), ``form`` (fresh, and chosen to be the first of a new cluster) or ``run``.
"""

from __future__ import annotations

FRESH, DATA, FORM, RUN = "fresh", "data", "form", "run"


class Decision:
    """``rejoin`` (start with the data kept), ``join`` (fresh, into *peers*), ``form`` (fresh, first) or ``wait``."""

    __slots__ = ("action", "peers", "why")

    def __init__(self, action: str, why: str, peers: tuple[str, ...] = ()) -> None:
        self.action = action
        self.why = why
        self.peers = peers

    def __repr__(self) -> str:
        return f"{self.action}: {self.why}"


def decide(me: str, peers: tuple[str, ...], said: dict[str, str], *, fresh: bool, quorate: bool) -> Decision:
    """What node *me* does, given what each of *peers* (in the configured order) has *said*.

    A node with data always starts with it: RabbitMQ itself finds its peers again, or waits for the one that stopped
    last. A fresh node joins a cluster that runs; it founds one only when every peer has said that it is fresh as
    well, and it is the first of them: so one cluster comes to be, and never one beside data that somebody holds.
    """
    if not fresh:
        return Decision("rejoin", "this node has the data of its cluster and starts with it")
    running = tuple(name for name in peers if name != me and said.get(name) == RUN)
    if running:
        return Decision("join", f"{', '.join(running)} runs", running)
    if not quorate:
        return Decision("wait", "this partition has no quorum")
    for word, why in ((DATA, "has data and starts first"), (FORM, "is forming the cluster")):
        others = [name for name in peers if name != me and said.get(name) == word]
        if others:
            return Decision("wait", f"{others[0]} {why}")
    missing = [name for name in peers if name not in said]
    if missing:
        return Decision("wait", f"{', '.join(missing)} has not said yet whether it has data")
    if peers[0] != me:
        return Decision("wait", f"{peers[0]} forms the cluster")
    return Decision("form", "every node is fresh and this one is the first of them")


def forsaken(me: str, peers: tuple[str, ...], said: dict[str, str]) -> bool:
    """Whether a start that waits on *me* waits for a peer that nobody starts; *said* as for :func:`decide`.

    While a start is under way Pacemaker begins nothing new, so a peer that failed a moment later is started only when
    this start has ended. Others that wait just so help nobody.
    """
    others = [said.get(name) for name in peers if name != me]
    return None in others and not any(word in (RUN, FORM) for word in others)


def waits(log: list[str]) -> bool:
    """Whether the broker, by the lines that it has logged since its start, waits for a peer to have its tables from."""
    waiting = False
    for line in log:
        if "Waiting for Mnesia tables" in line:
            waiting = True
        elif "Successfully synced tables" in line:
            waiting = False
    return waiting
