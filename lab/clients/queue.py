"""RabbitMQ: a persistent message published with the broker's confirm, and one taken from the same queue."""

from __future__ import annotations

import pika
import pika.exceptions

from quorate.lab.driver import CONNECT_TIMEOUT, Refused

PORT = 5672
QUEUE = "drill"
BODY = b"quorate"
HEARTBEAT = 4
"""Seconds; a broker that keeps its connections but says nothing is given up after about two of these."""


class QueueSession:
    """One connection per address, kept from request to request as an OpenStack service does."""

    def __init__(self, user: str, password: str) -> None:
        self._credentials = pika.PlainCredentials(user, password)
        self._links: dict[str, tuple[pika.BlockingConnection, pika.adapters.blocking_connection.BlockingChannel]] = {}

    def request(self, address: str, timeout: float) -> None:
        channel = self._channel(address, timeout)
        try:
            channel.basic_publish("", QUEUE, BODY, pika.BasicProperties(delivery_mode=2))
            channel.basic_get(QUEUE, auto_ack=True)
        except BaseException:
            self._drop(address)
            raise

    def _channel(self, address: str, timeout: float) -> pika.adapters.blocking_connection.BlockingChannel:
        if address in self._links:
            connection, channel = self._links[address]
            try:
                # Reads what the broker has said meanwhile: that it closed, for one.
                connection.process_data_events(0)
                if channel.is_open:
                    return channel
            except (pika.exceptions.AMQPError, OSError):
                pass
            self._drop(address)
        parameters = pika.ConnectionParameters(
            address,
            PORT,
            credentials=self._credentials,
            heartbeat=HEARTBEAT,
            socket_timeout=min(CONNECT_TIMEOUT, timeout),
            stack_timeout=min(3.0, timeout),
            blocked_connection_timeout=timeout,
            tcp_options={"TCP_USER_TIMEOUT": 5000},
            connection_attempts=1,
        )
        try:
            connection = pika.BlockingConnection(parameters)
        except (pika.exceptions.AMQPError, OSError) as error:
            raise Refused(f"{type(error).__name__} {error}".strip()) from None
        try:
            channel = connection.channel()
            channel.queue_declare(QUEUE, durable=True)
            channel.confirm_delivery()
        except (pika.exceptions.AMQPError, OSError) as error:
            # Nothing was asked of this broker yet; one that boots or stops takes connections but no work.
            raise Refused(f"{type(error).__name__} {error}".strip()) from None
        self._links[address] = (connection, channel)
        return channel

    def _drop(self, address: str) -> None:
        connection, _ = self._links.pop(address)
        try:
            connection.close()
        except (pika.exceptions.AMQPError, OSError):
            pass

    def close(self) -> None:
        for address in list(self._links):
            self._drop(address)
