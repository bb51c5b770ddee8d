"""One AMQP connection that is made again whenever it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import aio_pika
from aiormq.abc import AbstractConnection
from aiormq.channel import Channel

from anymq.errors import AnyMQError, BackendUnavailable, ClosedError
from anymq.support.backoff import Backoff
from anymq_rabbitmq.background import Background
from anymq_rabbitmq.data_channel import DataChannel
from anymq_rabbitmq.errors import text_of, translated
from anymq_rabbitmq.options import RabbitMQOptions
from anymq_rabbitmq.tolerance import tolerate
from anymq_rabbitmq.transport import Line, make_line

__all__ = ["Link", "LinkObserver"]

LinkObserver = Callable[["Link", bool, str], None]
"""Told, on the loop, when a link goes down (False, with the reason) or is up again (True)."""

_HANDSHAKE_S = 1.0
"""A server that lives answers a close in milliseconds."""
_STABLE_S = 5.0
"""A connection that lived less is not made again at once: something ends it whenever it is made."""
_FIRST_PAUSE_S = 0.2
"""Before the second attempt; a forced close heals at the first one."""


class Link:
    """A connection of its own, with its own reconnecting.

    Not aio-pika's robust connection: that one has a fixed pause without jitter, declares again by
    itself what an operator deleted, and leaves nobody who can say which deliveries became stale.
    """

    def __init__(self, options: RabbitMQOptions, *, name: str, observer: LinkObserver) -> None:
        self.name = name
        self.failure: AnyMQError | None = None
        """Why it is down, while it is."""
        self._options = options
        self._observer = observer
        self._line: Line | None = None
        self._up = asyncio.Event()
        self._background = Background()
        self._is_closed = False
        self._is_abandoned = False

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    @property
    def native(self) -> aio_pika.Connection | None:
        """The present connection; it changes with every reconnect."""
        return self._line.connection if self._line is not None else None

    @property
    def server_version(self) -> str:
        """As the server told it when the connection was made, such as "3.10.8"."""
        if self.native is None or self.native.transport is None:
            return ""
        version = self.native.transport.connection.server_properties.get("version", "")
        return version.decode() if isinstance(version, bytes) else str(version)

    async def open(self) -> None:
        """Connect once, within the connect timeout. Raises what made it impossible."""
        tolerate()
        line = await self._connect()
        await self._background.open()
        self._come_up(line)
        self._background.start(self._keep_up(line), name=f"{self.name} link", on_failure=self._fail)

    async def channel(self, *, timeout_s: float, confirms: bool = False) -> Channel:
        """Open a channel, waiting for the connection if it is being made again.

        Raises: BackendUnavailable when there is none within ``timeout_s``, or what makes it
        impossible, such as AccessDenied; ClosedError.
        """
        try:
            with translated("opening a channel"):
                async with asyncio.timeout(timeout_s):
                    self._check_open()
                    await self._up.wait()
                    self._check_open()
                    channel = await self._underlying().channel(
                        publisher_confirms=confirms, on_return_raises=True
                    )
                    return cast("Channel", channel)
        except BackendUnavailable as error:
            if self.failure is not None and self.failure.error_class == "fatal":
                raise self.failure from error
            raise

    async def data_channel(self, *, timeout_s: float, confirms: bool = False) -> DataChannel:
        """As ``channel``, for messages in batches."""
        while True:
            line = self._line
            channel = await self.channel(timeout_s=timeout_s, confirms=confirms)
            if line is self._line and line is not None:
                return line.data_channel(channel)

    async def is_blocked(self, *, wait_s: float) -> bool:
        """Whether the server has stopped reading from this connection (memory or disk alarm)."""
        try:
            async with asyncio.timeout(wait_s):
                await self._underlying().ready()
        except TimeoutError:
            return True
        return False

    def abandon(self) -> None:
        """Drop the socket and do not reconnect, as if the process were killed."""
        self._is_abandoned = True
        if self._line is not None:
            self._line.abort()

    async def aclose(self, *, timeout_s: float) -> None:
        """Stop reconnecting and close. Idempotent; ends within ``timeout_s``."""
        self._is_closed = True
        self._up.set()  # whoever waits for a connection hears that it is closed
        line, self._line = self._line, None
        try:
            async with asyncio.timeout(timeout_s):
                await self._background.aclose()
                if line is not None:
                    await line.aclose(timeout_s=min(_HANDSHAKE_S, timeout_s / 2))
        except TimeoutError:
            pass
        finally:
            if line is not None:
                line.abort()

    def _underlying(self) -> AbstractConnection:
        if self.native is None or self.native.transport is None:
            raise BackendUnavailable("there is no connection to RabbitMQ")
        return self.native.transport.connection

    async def _connect(self) -> Line:
        if self._is_abandoned:
            raise BackendUnavailable("the connection to RabbitMQ was abandoned")
        options = self._options
        line = make_line(options, self.name)
        is_made = False
        try:
            with translated(f"connecting to {options.address}"):
                async with asyncio.timeout(options.connect_timeout_s):
                    await line.connection.connect()
            is_made = True
        finally:
            if not is_made:
                await line.aclose(timeout_s=_HANDSHAKE_S)
        return line

    async def _keep_up(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff(first_s=_FIRST_PAUSE_S, max_s=self._options.reconnect_max_s)
        # The flag too: a cancellation that meets a finished wait_for inside the client library is
        # swallowed there by Python 3.11.
        while not self._is_closed:
            made_at = loop.time()
            await self._until_lost(line)
            if loop.time() - made_at > _STABLE_S:
                backoff.reset()
            line = await self._connect_again(backoff)
            self._come_up(line)
            self._observer(self, True, "")

    async def _until_lost(self, line: Line) -> None:
        transport = line.connection.transport
        closing = transport.connection.closing if transport is not None else None
        if closing is not None:
            await asyncio.wait([closing])
        error = closing.exception() if closing is not None and not closing.cancelled() else None
        # aiormq cancels its reader when heartbeats stay away.
        reason = text_of(error) if isinstance(error, Exception) else "the server did not answer"
        self._up.clear()
        self.failure = BackendUnavailable(f"the connection to RabbitMQ was lost: {reason}")
        self._observer(self, False, reason)
        await line.aclose(timeout_s=_HANDSHAKE_S)

    async def _connect_again(self, backoff: Backoff) -> Line:
        while True:
            if backoff.attempts:
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.next_s()  # the first attempt follows at once
            self._check_open()
            try:
                return await self._connect()
            except AnyMQError as error:
                self.failure = error
                if error.error_class == "fatal":
                    await asyncio.sleep(self._options.reconnect_max_s)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("the connection to RabbitMQ is closed")

    def _come_up(self, line: Line) -> None:
        self._line = line
        self.failure = None
        self._up.set()

    def _fail(self, error: Exception) -> None:
        self._up.clear()
        self.failure = BackendUnavailable(f"reconnecting to RabbitMQ ended: {text_of(error)}")
        self._observer(self, False, str(self.failure))
