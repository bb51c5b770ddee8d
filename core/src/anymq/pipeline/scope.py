"""The scope of one delivery while a handler has it: settling by hand, publishing, its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from anymq.errors import InvalidState
from anymq.message import Delivery
from anymq.outcome import ACK, RELEASE, DeadLetter, Outcome, Retry

__all__ = ["DeliveryScope"]

Publish = Callable[..., Awaitable[str]]
SettleByHand = Callable[[Delivery, Outcome], None]


class DeliveryScope:
    """Made for handlers that can reach their delivery; ended by core exactly once."""

    __slots__ = (
        "_delivery",
        "_failed",
        "_is_ended",
        "_publish",
        "_publishing",
        "_settle",
        "_waiters",
    )

    def __init__(self, delivery: Delivery, publish: Publish, settle: SettleByHand | None) -> None:
        self._delivery = delivery
        self._publish = publish
        self._settle = settle
        self._is_ended = False
        self._waiters: list[asyncio.Future[None]] = []
        self._publishing = 0
        self._failed: BaseException | None = None

    @property
    def is_ended(self) -> bool:
        return self._is_ended

    async def wait_ended(self) -> None:
        if self._is_ended:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    async def publish(self, topic: str, body: Any, /, **options: Any) -> str:
        """Publish with the delivery's correlation; a failure is remembered for ``finish``."""
        options.setdefault("correlation_id", self._delivery.correlation_id)
        options.setdefault("causation_id", self._delivery.id)
        self._publishing += 1
        try:
            return await self._publish(topic, body, **options)
        except Exception as error:
            self._failed = error
            raise
        finally:
            self._publishing -= 1
            if not self._publishing:
                self._wake()

    async def finish(self) -> None:
        """Wait for publishes the handler began and did not await; raise what one of them raised."""
        while self._publishing:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self._failed is not None:
            raise self._failed

    async def settle(self, kind: str, /, value: Any = None) -> bool:
        if self._settle is None:
            raise InvalidState(
                'only a subscriber with ack="manual" settles by hand; return an Outcome'
            )
        if self._is_ended:
            return False
        self.end()
        self._settle(self._delivery, _outcome(kind, value))
        return True

    def end(self) -> None:
        """The delivery was settled, or is no longer ours."""
        self._is_ended = True
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()


def _outcome(kind: str, value: Any) -> Outcome:
    if kind == "ack":
        return ACK
    if kind == "release":
        return RELEASE
    return Retry(value) if kind == "retry" else DeadLetter(value)
