"""The two connections of a Broker, as one condition."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from anymq.abc import BackendEvent, EventSink, Health
from anymq.errors import AnyMQError
from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.options import RabbitMQOptions

__all__ = ["Links"]

_HEALTH_S = 2.0
_BLOCKED_AFTER_S = 0.05
"""An open connection is ready at once; one that an alarm blocks is not."""


class Links:
    """One connection to publish, one for all else.

    Two, because an alarm on the server stops it reading from connections that publish, and acks
    must not wait behind that.
    """

    def __init__(
        self, options: RabbitMQOptions, client_id: str, *, on_change: Callable[[], None]
    ) -> None:
        self._options = options
        self._on_change = on_change
        self._events: EventSink = _ignore
        self._down: set[str] = set()
        self._is_closed = False
        self.publishing = Link(options, name=f"{client_id} publishing", observer=self._observe)
        self.consuming = Link(options, name=f"{client_id} consuming", observer=self._observe)

    async def open(self, events: EventSink) -> None:
        """Connect both. A failed open leaves nothing running."""
        self._events = events
        is_open = False
        try:
            await self.consuming.open()
            await self.publishing.open()
            is_open = True
        finally:
            if not is_open:
                await self.aclose(timeout_s=self._options.connect_timeout_s)
        events(BackendEvent("connected", f"RabbitMQ {self.consuming.server_version}"))

    async def health(self, ask: Callable[[], Awaitable[None]]) -> Health:
        """``ask`` the server something on the consuming connection, and look at the other one."""
        if self._is_closed:
            return Health("down", "closed")
        for link in (self.consuming, self.publishing):
            if not link.is_up:
                return Health("down", str(link.failure or "not connected"))
        try:
            with translated("asking for its health"):
                async with asyncio.timeout(_HEALTH_S - _BLOCKED_AFTER_S):
                    await ask()
            is_blocked = await self.publishing.is_blocked(wait_s=_BLOCKED_AFTER_S)
        except AnyMQError as error:
            return Health("down", str(error))
        if is_blocked:
            return Health("degraded", "blocked: the server has a memory or disk alarm")
        return Health("up", facts={"server": f"RabbitMQ {self.consuming.server_version}"})

    def degraded(self, detail: str) -> None:
        """Tell the application."""
        self._events(BackendEvent("degraded", detail))

    def abandon(self) -> None:
        """Drop both sockets, as if the process were killed."""
        self.publishing.abandon()
        self.consuming.abandon()

    async def aclose(self, *, timeout_s: float) -> None:
        """Close both. Idempotent; ends within ``timeout_s``."""
        self._is_closed = True
        async with asyncio.TaskGroup() as closing:
            closing.create_task(self.publishing.aclose(timeout_s=timeout_s))
            closing.create_task(self.consuming.aclose(timeout_s=timeout_s))

    def _observe(self, link: Link, is_up: bool, reason: str) -> None:
        if self._is_closed:
            return
        self._on_change()
        if not is_up:
            if not self._down:
                self._events(BackendEvent("lost", f"{link.name}: {reason}"))
            self._down.add(link.name)
            return
        self._down.discard(link.name)
        if not self._down:
            self._events(BackendEvent("recovered"))


def _ignore(_event: BackendEvent) -> None:
    """Before ``open`` nobody listens."""
