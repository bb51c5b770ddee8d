"""Small steps that the tests of the Broker are made of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from anymq.abc import Subscription
from anymq.message import Delivery, Message
from anymq.outcome import ACK, SETTLED, Settlement
from anymq.topology import Source
from anymq_rabbitmq.broker import RabbitMQBroker

__all__ = ["CALL_S", "ack", "collect", "join", "message"]

CALL_S = 10.0


def message(topic: str = "news", body: bytes = b"{}", **changes: Any) -> Message:
    """A message with an id of its own."""
    facts: dict[str, Any] = {"id": uuid4().hex, "timestamp": time.time()}
    return Message(topic=topic, body=body, **(facts | changes))


async def join(
    broker: RabbitMQBroker,
    group: str | None,
    *topics: str,
    prefetch: int = 1000,
    on_lost: Callable[[Sequence[Delivery]], None] = lambda _lost: None,
) -> Subscription:
    """A member of a group, or an anonymous subscription."""
    source = Source(topics or ("news",), group)
    return await broker.subscribe(source, prefetch=prefetch, on_lost=on_lost)


async def collect(subscription: Subscription, count: int) -> list[Delivery]:
    """The next ``count`` deliveries, unsettled."""
    found: list[Delivery] = []
    async with asyncio.timeout(CALL_S):
        while len(found) < count:
            found += await subscription.receive(max_messages=count - len(found), wait_s=CALL_S)
    return found


async def ack(subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
    """Acknowledge what is ours."""
    items = [Settlement(delivery, ACK) for delivery in deliveries]
    assert set(await subscription.settle(items, timeout_s=CALL_S)) <= {SETTLED}
