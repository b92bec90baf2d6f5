"""Numbers published with confirms and consumed with acknowledgements, on a mirrored and on a quorum queue.

More is published than consumed, so that there is always something in the queue that a fault could take; what is left
is drained at the end.
"""

from __future__ import annotations

import secrets as random
import threading
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from quorate.lab.checkers.queue import QueueChecker
from quorate.lab.config import AMQP_USER
from quorate.lab.workload import Call, Pace, Place, Refused, Rejected, Uncertain
from quorate.lab.workloads.amqp import ERRORS, Channels
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.checker import Checker
    from quorate.lab.cluster import Lab
    from quorate.lab.history import Op

_CHUNK = 200
"""Messages that one draining takes."""
_EXPIRES = 20 * 60 * 1000
"""Milliseconds without a consumer after which the broker deletes the queue: nobody has to clean up after a run."""
_ROUND = ("publish", "consume", "publish", "consume", "publish")
_PATIENCE = 20.0


class Queue:
    """``publish`` N, ``consume``: N or null; at the end ``drain``: [N, ...] until nothing comes."""

    service = "rabbitmq"
    # What was not acknowledged goes back into the queue: that a consumer failed has no effect. (When it may have
    # acknowledged it says so itself.)
    pure = frozenset({"consume", "drain"})
    pace = Pace(rate=20)

    def __init__(self, name: str, kind: str, about: str) -> None:
        self.name = name
        self.about = about
        self._kind = kind
        # New each time: what an earlier run lost, or left hanging, is no business of this one.
        self._queue = f"chaos-{kind}-{random.token_hex(4)}"
        self._password = ""
        self._numbers = 0

    def prepare(self, lab: Lab) -> None:
        self._password = lab.secrets.amqp_password
        place = Place(lab.nodes[0], lab.address(lab.nodes[0]))
        arguments = {"x-queue-type": self._kind, "x-expires": _EXPIRES}
        channels = Channels(AMQP_USER, self._password)
        # Nothing that a broker does not answer may hold the run.
        watch = threading.Timer(_PATIENCE, channels.interrupt)
        watch.start()
        try:
            channels.get(place, _PATIENCE).queue_declare(self._queue, durable=True, arguments=arguments)
        except (Refused, *ERRORS) as error:
            raise Failed(f"node {place.node}: the queue {self._queue} cannot be declared: {error!r}") from None
        finally:
            watch.cancel()
            channels.close()

    def open(self) -> QueueSession:
        return QueueSession(Channels(AMQP_USER, self._password), self._queue)

    def ops(self) -> Iterator[Call]:
        while True:
            for f in _ROUND:
                if f == "consume":
                    yield Call(f)
                else:
                    yield Call(f, self._numbers)
                    self._numbers += 1

    def final(self) -> Generator[Call, Op, None]:
        # Twice, as what a dying connection held comes back a moment later; and on two nodes.
        empty = 0
        while empty < 2:
            op = yield Call("drain")
            empty = 0 if op.result else empty + 1
            if empty == 1:
                time.sleep(1.0)

    def checkers(self) -> tuple[Checker, ...]:
        return (QueueChecker(self.name),)


def queue_mirrored() -> Queue:
    return Queue(
        "queue-mirrored",
        "classic",
        "numbers through a mirrored queue; none that was confirmed may be missing when it is drained",
    )


def queue_quorum() -> Queue:
    return Queue(
        "queue-quorum",
        "quorum",
        "numbers through a quorum queue; none that was confirmed may be missing when it is drained",
    )


class QueueSession:
    def __init__(self, channels: Channels, queue: str) -> None:
        self._channels = channels
        self._queue = queue

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        until = time.monotonic() + timeout
        channel = self._channels.get(place, timeout)
        try:
            if call.f == "publish":
                return self._publish(channel, call.value)
            taken, tag = self._take(channel, 1 if call.f == "consume" else _CHUNK, until)
            if taken:
                self._acknowledge(channel, tag, taken[0] if call.f == "consume" else taken)
        except (*ERRORS, Uncertain):
            self._channels.drop(place)
            raise
        if call.f == "drain":
            return taken
        return taken[0] if taken else None

    def _publish(self, channel: BlockingChannel, number: int) -> None:
        properties = pika.BasicProperties(delivery_mode=2)
        try:
            channel.basic_publish("", self._queue, str(number).encode(), properties, mandatory=True)
        except pika.exceptions.UnroutableError:
            raise Rejected("returned: there is no such queue") from None

    def _take(self, channel: BlockingChannel, most: int, until: float) -> tuple[list[int], int]:
        """Up to *most* messages and the last one's tag. Nothing of it counts before it is acknowledged."""
        taken: list[int] = []
        tag = 0
        while len(taken) < most:
            method, _, body = channel.basic_get(self._queue, auto_ack=False)
            if method is None or body is None:
                break
            tag = method.delivery_tag
            taken.append(int(body))
            if time.monotonic() > until:
                raise TimeoutError("taken too late to be acknowledged")
        return taken, tag

    @staticmethod
    def _acknowledge(channel: BlockingChannel, tag: int, taken: int | list[int]) -> None:
        try:
            channel.basic_ack(tag, multiple=True)
        except ERRORS as error:
            # The broker may have read it, and forgotten the messages, before the connection broke.
            raise Uncertain(f"{type(error).__name__}: {error}", taken) from None

    def interrupt(self) -> None:
        self._channels.interrupt()

    def close(self) -> None:
        self._channels.close()
