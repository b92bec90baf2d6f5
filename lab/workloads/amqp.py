"""Connections to the brokers, kept from operation to operation as an OpenStack service keeps them."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from quorate.lab.workload import CONNECT_TIMEOUT, Place, Refused
from quorate.lab.workloads.link import HELLO_TIMEOUT, shut

PORT = 5672
HEARTBEAT = 4
"""Seconds; a broker that keeps its connections but says nothing is given up after about two of these."""
ERRORS = (pika.exceptions.AMQPError, OSError)


@dataclass
class _Wire:
    connection: pika.BlockingConnection
    channel: BlockingChannel | None = None

    def socket(self) -> socket.socket | None:
        """What it talks through; pika keeps it to itself, and has no other way to wake a thread that waits in it."""
        transport = getattr(getattr(self.connection, "_impl", None), "_transport", None)
        found = getattr(transport, "_sock", None)
        return found if isinstance(found, socket.socket) else None


class Channels:
    """One connection with a confirming channel per node, looked at before it is used."""

    def __init__(self, user: str, password: str, queue: str = "") -> None:
        """Every channel makes sure that the durable *queue* is there, if one is named."""
        self._credentials = pika.PlainCredentials(user, password)
        self._queue = queue
        self._wires: dict[str, _Wire] = {}

    def get(self, place: Place, timeout: float) -> BlockingChannel:
        """The channel to *place*. Raises :class:`Refused` when there is none to be had."""
        wire = self._wires.get(place.node)
        if wire is not None:
            try:
                # Reads what the broker has said meanwhile: that it closed, for one.
                wire.connection.process_data_events(0)
                if wire.channel is not None and wire.channel.is_open:
                    return wire.channel
            except ERRORS:
                pass
            self.drop(place)
        parameters = pika.ConnectionParameters(
            place.address,
            PORT,
            credentials=self._credentials,
            heartbeat=HEARTBEAT,
            socket_timeout=min(CONNECT_TIMEOUT, timeout),
            stack_timeout=min(HELLO_TIMEOUT, timeout),
            blocked_connection_timeout=timeout,
            tcp_options={"TCP_USER_TIMEOUT": 5000},
            connection_attempts=1,
        )
        # Nothing is asked of the broker before there is a channel; one that boots or stops takes connections, but
        # no work.
        try:
            wire = _Wire(pika.BlockingConnection(parameters))
        except ERRORS as error:
            raise Refused(_words(error)) from None
        self._wires[place.node] = wire
        try:
            channel = wire.connection.channel()
            if self._queue:
                channel.queue_declare(self._queue, durable=True)
            channel.confirm_delivery()
        except ERRORS as error:
            self.drop(place)
            raise Refused(_words(error)) from None
        wire.channel = channel
        return channel

    def drop(self, place: Place) -> None:
        """Let go of the connection to *place* without a word: what it had taken and not acknowledged goes back."""
        wire = self._wires.pop(place.node, None)
        if wire is not None:
            shut(wire.socket())
            self._close(wire)

    def interrupt(self) -> None:
        for wire in list(self._wires.values()):
            shut(wire.socket())

    def close(self) -> None:
        for node in list(self._wires):
            # The goodbye of a broker that is silent ends with its heartbeats.
            self._close(self._wires.pop(node))

    @staticmethod
    def _close(wire: _Wire) -> None:
        try:
            wire.connection.close()
        except ERRORS:
            pass


def _words(error: BaseException) -> str:
    # pika's connection errors say nothing as text: what happened is in their representation.
    return (str(error) or repr(error))[:160]
