"""The socket under an AMQP connection, within reach for when the peer is silent."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aio_pika
from aio_pika.connection import make_url
from aiormq.channel import Channel
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError, ChannelInvalidStateError

from anymq.errors import ConfigError
from anymq_rabbitmq.data_channel import DataChannel
from anymq_rabbitmq.errors import text_of
from anymq_rabbitmq.options import RabbitMQOptions
from anymq_rabbitmq.tap import Tap

__all__ = ["Line", "make_line"]


class Line(TransportFactory):
    """One connection and its socket.

    The client library closes by a handshake and keeps the socket to itself; with a silent peer
    its tasks would outlive us by a minute. ``abort`` ends them at once.
    """

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._tap: Tap | None = None
        self.connection: aio_pika.Connection

    async def create(self, url: Any, **kwargs: Any) -> Any:
        """Connect, as aiormq asks for it."""
        provider = kwargs.pop("ssl_context_provider", None)
        is_encrypted = url.scheme == "amqps"
        context = await provider.get_context() if is_encrypted else None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        tap = Tap(reader, loop)
        try:
            transport, _ = await loop.create_connection(
                lambda: tap, url.host, url.port, ssl=context, **kwargs
            )
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        self._tap, self._writer = tap, asyncio.StreamWriter(transport, tap, reader, loop)
        return reader, self._writer

    def data_channel(self, channel: Channel) -> DataChannel:
        """A channel of this connection, past the client library."""
        if self._tap is None or self._writer is None:
            raise ChannelInvalidStateError("there is no connection")
        return DataChannel(channel, self._tap, self._writer)

    async def aclose(self, *, timeout_s: float) -> None:
        """Close by handshake within ``timeout_s``, else by force."""
        transport = self.connection.transport
        try:
            async with asyncio.timeout(timeout_s):
                await self.connection.close()
        except (TimeoutError, OSError):
            pass
        finally:
            self.abort()
        if transport is not None:
            await transport.close_callback.wait()

    def abort(self) -> None:
        """Drop the socket and what is buffered for it. Idempotent."""
        if self._writer is not None:
            self._writer.transport.abort()


def make_line(options: RabbitMQOptions, name: str) -> Line:
    """An unopened connection. Raises ConfigError for TLS files that cannot be used."""
    is_encrypted = options.scheme == "amqps"
    line = Line()
    line.connection = aio_pika.Connection(
        make_url(
            host=options.host,
            port=options.effective_port,
            login=options.username or "",
            password=options.secret("password") or "",
            virtualhost=options.path or "/",
            ssl=is_encrypted,
            heartbeat=options.heartbeat_s,
        ),
        ssl_context=_tls(options) if is_encrypted else None,
        client_properties={"connection_name": name},
    )
    line.connection.kwargs["transport_factory"] = line
    return line


def _tls(options: RabbitMQOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.tls_ca_file)
        if options.tls_cert_file is not None:
            context.load_cert_chain(options.tls_cert_file, options.tls_key_file)
    except OSError as error:
        raise ConfigError(f"the TLS files cannot be used: {text_of(error)}") from error
    return context
