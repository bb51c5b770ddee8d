"""Small real stand-ins for the narrow interfaces, which do as a test tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from anymq.abc import Broker, EventSink, Health, Management, Subscription
from anymq.abc.broker import OnLost
from anymq.capabilities import Capabilities
from anymq.message import Delivery, Message
from anymq.outcome import CONFIRMED, SETTLED, SendResult, Settlement, SettleResult
from anymq.topology import Source, Topology, TopologyMode

__all__ = ["FakeBroker", "FakeSubscription", "a_delivery", "a_message", "turns", "until"]

LIMIT_S = 5.0


async def until(condition: Callable[[], object]) -> None:
    """Give the loop turns until something holds; TimeoutError if it never does."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - turns of the loop, not time, are waited for
            await asyncio.sleep(0)


async def turns(count: int = 30) -> None:
    """Give everybody who can run the chance to."""
    for _ in range(count):
        await asyncio.sleep(0)


def a_message(number: int = 0, /, **fields: Any) -> Message:
    """A message whose id and body tell its number."""
    given = {"topic": "t", "body": b"%d" % number, "id": f"m{number}", "timestamp": 1.0, **fields}
    return Message(**given)


def a_delivery(number: int = 0, /, **fields: Any) -> Delivery:
    """A delivery of ``a_message``: fields of the delivery, or ``key``/``attempt``/... of it."""
    own = {"group", "token", "position", "delivery_count", "redelivered", "scope"}
    mine = {name: fields.pop(name) for name in own & fields.keys()}
    message = fields.pop("message", None) or a_message(number, **fields)
    return Delivery(message, **{"group": "g", "token": number, **mine})


class FakeBroker(Broker):
    """``send`` answers what ``answer`` returns; what it was given is in ``sent``."""

    def __init__(
        self,
        answer: Callable[[Sequence[Message]], Awaitable[Sequence[SendResult]]] | None = None,
    ) -> None:
        self.answer = answer
        self.sent: list[list[Message]] = []
        self.overlap = 0
        self.peak = 0

    @property
    def bodies(self) -> list[list[bytes]]:
        """The bodies of each send."""
        return [[message.body for message in batch] for batch in self.sent]

    async def open(self, events: EventSink) -> Capabilities:
        return Capabilities({}, frozenset())

    async def health(self) -> Health:
        return Health("up")

    async def declare(self, topology: Topology, *, mode: TopologyMode, timeout_s: float) -> None:
        return None

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]:
        self.sent.append(list(messages))
        self.overlap += 1
        self.peak = max(self.peak, self.overlap)
        try:
            if self.answer is None:
                return [CONFIRMED] * len(messages)
            return await self.answer(messages)
        finally:
            self.overlap -= 1

    async def subscribe(self, source: Source, *, prefetch: int, on_lost: OnLost) -> Subscription:
        return FakeSubscription()

    def management(self) -> Management:
        raise LookupError("this broker has no management")

    async def aclose(self, *, timeout_s: float) -> None:
        return None


class FakeSubscription(Subscription):
    """Hands out what is put into ``incoming``; remembers every call."""

    def __init__(
        self,
        settle: Callable[[Sequence[Settlement]], Awaitable[Sequence[SettleResult]]] | None = None,
    ) -> None:
        self.incoming: asyncio.Queue[list[Delivery]] = asyncio.Queue()
        self.settled: list[Settlement] = []
        self.batches: list[int] = []
        self.asked: list[int] = []
        self.calls: list[str] = []
        self.lost: list[Delivery] = []
        self._answer = settle

    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        self.asked.append(max_messages)
        return await self.incoming.get()

    async def settle(
        self, items: Sequence[Settlement], *, timeout_s: float
    ) -> Sequence[SettleResult]:
        self.settled += items
        self.batches.append(len(items))
        return [SETTLED] * len(items) if self._answer is None else await self._answer(items)

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        self.calls.append(f"keep {len(deliveries)}")
        return self.lost

    async def pause(self) -> None:
        self.calls.append("pause")

    async def resume(self) -> None:
        self.calls.append("resume")

    async def stop(self) -> None:
        self.calls.append("stop")
        self.incoming.put_nowait([])

    async def aclose(self, *, timeout_s: float) -> None:
        self.calls.append("aclose")
