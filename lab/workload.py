"""What a client of the control plane does, and how it may fail: the words that workloads are written in.

A workload says which operations there are, opens sessions that carry them out, and names the checkers that know
what it promises. It records nothing: :mod:`quorate.lab.recorder` does, so that no workload can forget to.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from quorate.lab.checker import Checker
    from quorate.lab.cluster import Lab
    from quorate.lab.history import Op

CONNECT_TIMEOUT = 1.0
"""Seconds a client waits for a connection before it takes the next node."""


class Refused(Exception):
    """This node takes no request now: nobody listens, or it says that it is not ready. Nothing was asked of it."""


class Rejected(Exception):
    """The service answered, and the answer means that the operation was certainly not done."""


class Uncertain(Exception):
    """Nobody knows whether the operation was done; if it was, *result* is what it gave."""

    def __init__(self, why: str, result: Any) -> None:
        super().__init__(why)
        self.result = result


class Place(NamedTuple):
    """Where a client goes: a node's name and its address."""

    node: str
    address: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operation before it is invoked: the function *f* with *value* (what JSON can say; never a secret).

    *node*: ask this node first, the others when it refuses; with *pinned* only this one.
    """

    f: str
    value: Any = None
    node: str = ""
    pinned: bool = False


@dataclass(frozen=True)
class Pace:
    """How fast a workload goes: *rate* operations per second (0: as fast as they end) by *workers* clients.

    *deadline*: seconds after which an operation has no outcome, whatever its client is stuck in.
    """

    rate: float
    workers: int = 6
    deadline: float = 10.0


class Session(Protocol):
    """One client's connections. Used by one thread at a time."""

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        """Carry *call* out at *place* within *timeout* seconds; its result, as JSON can say it.

        Raises :class:`Refused` before anything was asked, :class:`Rejected` when it was certainly not done, and
        :class:`Uncertain` or anything else when nobody knows.
        """

    def close(self) -> None:
        """Let go of the connections."""


@runtime_checkable
class Interruptible(Protocol):
    """A session whose connections another thread can break: whatever library its own thread is stuck in."""

    def interrupt(self) -> None:
        """Shut every connection down at once, waiting for nothing; a call that is stuck in one fails."""


@runtime_checkable
class Follower(Protocol):
    """A workload whose next operations depend on how the ones before them ended."""

    def ended(self, op: Op) -> None:
        """*op* is over, and recorded. Never while :meth:`Workload.ops` is asked; it must not wait for anything."""


class Workload(Protocol):
    """One kind of load on one *service*. *pure* are the functions without effect: an error there is a failure."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str:
        """One line: what the clients do, and what they must never see."""

    @property
    def service(self) -> str:
        """The service whose availability it tells."""

    @property
    def pure(self) -> frozenset[str]: ...

    @property
    def pace(self) -> Pace:
        """The pace when the scenario asks for none."""

    def prepare(self, lab: Lab) -> None:
        """Make what the clients need (tables, queues, users), empty, in a healthy cluster."""

    def open(self) -> Session:
        """A client. Connects to nobody yet."""

    def ops(self) -> Iterator[Call]:
        """What to do next, without end. One thread takes from it at a time; it must not wait for anything."""

    def final(self) -> Generator[Call, Op, None]:
        """The reads that settle, after recovery. Each call is tried until it is ok; what it gave is sent back."""

    def checkers(self) -> tuple[Checker, ...]:
        """What decides, from the history alone, whether the promises were kept."""
