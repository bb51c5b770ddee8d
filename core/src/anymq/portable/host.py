"""What a consumer needs of the App that it runs in."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Protocol

from anymq.abc import Subscription
from anymq.abc.broker import OnLost
from anymq.events import AppEvent
from anymq.support.clock import Clock
from anymq.topology import Source

__all__ = ["ConsumerHost", "Subscribe"]


class ConsumerHost(Protocol):
    """Time, tasks, and an ear for events."""

    clock: Clock

    def spawn(
        self, work: Coroutine[Any, Any, None], context: Context | None = None, /
    ) -> asyncio.Task[None]: ...

    def tell(self, event: AppEvent, /) -> None: ...


class Subscribe(Protocol):
    """Joins a group: the Broker's own ``subscribe``, or core's over several levels."""

    async def __call__(
        self, source: Source, /, *, prefetch: int, on_lost: OnLost
    ) -> Subscription: ...
