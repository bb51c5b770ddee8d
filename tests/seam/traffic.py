"""Sending, taking and settling in the small steps that the scenarios are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from anymq.abc import Broker, Stream, StreamReader, Subscription
from anymq.abc.stream import Record
from anymq.message import Delivery, Message
from anymq.outcome import ACK, SETTLED, Confirmed, Settlement
from tests.seam.seam import CALL_S, OVER_S

__all__ = ["ack", "append", "collect", "ids", "keep_up", "nothing_comes", "read_to_end", "send"]


async def send(broker: Broker, messages: Sequence[Message], **how: bool) -> None:
    """Send one batch, of which every entry must be confirmed."""
    async with asyncio.timeout(CALL_S + OVER_S):
        results = await broker.send(messages, timeout_s=CALL_S, **how)
    _all_confirmed(results, len(messages))


async def append(stream: Stream, messages: Sequence[Message]) -> None:
    """Append one batch, of which every entry must be confirmed."""
    async with asyncio.timeout(CALL_S + OVER_S):
        results = await stream.append(messages, timeout_s=CALL_S)
    _all_confirmed(results, len(messages))


async def collect(subscription: Subscription, count: int, *, within_s: float) -> list[Delivery]:
    """The next ``count`` deliveries, unsettled. Fails when fewer come in time."""
    found: list[Delivery] = []
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while len(found) < count:
        left = end - loop.time()
        assert left > 0, f"only {len(found)} of {count} came in {within_s} s: {ids(found)}"
        asked = count - len(found)
        async with asyncio.timeout(left + OVER_S):
            came = await subscription.receive(max_messages=asked, wait_s=left)
        assert len(came) <= asked
        found += came
    return found


async def nothing_comes(subscription: Subscription, *, for_s: float) -> None:
    """Hold that no delivery comes for that long."""
    async with asyncio.timeout(for_s + OVER_S):
        assert ids(await subscription.receive(max_messages=1, wait_s=for_s)) == []


async def ack(subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
    """Acknowledge deliveries, each of which must still be ours."""
    settlements = [Settlement(delivery, ACK) for delivery in deliveries]
    async with asyncio.timeout(CALL_S + OVER_S):
        results = await subscription.settle(settlements, timeout_s=CALL_S)
    assert list(results) == [SETTLED] * len(deliveries)


async def keep_up(
    subscription: Subscription, held: Sequence[Delivery], lease_s: float | None
) -> None:
    """Extend leases until cancelled, as core does while handlers run; nothing where none exist."""
    while lease_s is not None:
        await asyncio.sleep(lease_s / 3)
        await subscription.keep(held)


async def read_to_end(reader: StreamReader, *, within_s: float = CALL_S) -> list[Record]:
    """Every record until the reader is at its end."""
    found: list[Record] = []
    async with asyncio.timeout(within_s):
        while not reader.is_at_end:
            found += await reader.receive(max_records=7, wait_s=1.0)
    return found


def ids(messages: Sequence[Delivery] | Sequence[Message]) -> list[str]:
    """Message ids in order."""
    return [message.id for message in messages]


def _all_confirmed(results: Sequence[object], count: int) -> None:
    assert len(results) == count
    assert all(isinstance(result, Confirmed) for result in results), results
