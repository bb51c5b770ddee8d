"""The expert's loops with aio-pika: a confirm channel, 256 publishes at once, an ack for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from benchmarks.body import BODY, dumps, loads
from benchmarks.clock import Stopwatch, percentiles, stamped, waited_ms
from benchmarks.pace import open_loop, ready

__all__ = [
    "check_settled",
    "consume",
    "declare",
    "publish",
    "receive_paced",
    "remove",
    "send_paced",
]

WINDOW = 256
PREFETCH = 256
LIMIT_S = 300


@asynccontextmanager
async def _channel(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield channel


async def declare(url: str, topic: str, kind: str) -> None:
    """The exchange and the durable queue of one group, named as ours are; empty ladder and all."""
    async with _channel(url) as channel:
        exchange = await channel.declare_exchange(topic, "topic", durable=True)
        queue = await channel.declare_queue(
            f"{topic}.readers", durable=True, arguments={"x-queue-type": kind}
        )
        await queue.bind(exchange, "#")


async def remove(url: str, topic: str) -> None:
    """The exchange and its queues."""
    async with _channel(url) as channel:
        for name in (f"{topic}.readers", f"{topic}.readers.dead"):
            await channel.queue_delete(name)
        await channel.exchange_delete(topic)


def _message(body: dict[str, Any], *, same_fields: bool = False) -> aio_pika.Message:
    """Persistent; with the id, time and content type that ours has, or with none."""
    encoded = dumps(body).encode()
    if not same_fields:
        return aio_pika.Message(encoded, delivery_mode=2)
    message_id, now = uuid4().hex, time.time()
    headers: Any = {
        "anymq-id": message_id,
        "anymq-timestamp": repr(now),
        "anymq-content-type": "application/json",
    }
    return aio_pika.Message(
        encoded,
        delivery_mode=2,
        content_type="application/json",
        message_id=message_id,
        timestamp=now,
        headers=headers,
    )


async def publish(
    url: str, topic: str, messages: int, *, same_fields: bool = False
) -> dict[str, float]:
    """256 workers over one iterator; a publish counts when its confirm was read."""
    async with _channel(url) as channel:
        exchange = await channel.get_exchange(topic, ensure=False)
        numbers = iter(range(messages))

        async def work() -> None:
            for _ in numbers:
                await exchange.publish(_message(BODY, same_fields=same_fields), "0")

        watch = Stopwatch()
        async with asyncio.TaskGroup() as group:
            for _ in range(WINDOW):
                group.create_task(work())
        return watch.result(messages)


async def consume(url: str, topic: str, messages: int) -> dict[str, float]:
    """Prefetch 256, ack after each handler; from the first handler call to the last."""
    handled = 0
    watch: Stopwatch | None = None
    result: dict[str, float] = {}
    done = asyncio.Event()

    async def handle(body: dict[str, Any]) -> None:
        nonlocal handled, watch, result
        watch = watch or Stopwatch()
        handled += 1
        if handled == messages:
            result = watch.result(messages)

    async def receive(message: AbstractIncomingMessage) -> None:
        await handle(loads(message.body))
        await message.ack()
        if result:
            done.set()

    async with _channel(url) as channel:
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.get_queue(f"{topic}.readers", ensure=False)
        tag = await queue.consume(receive)
        async with asyncio.timeout(LIMIT_S):
            await done.wait()
        await queue.cancel(tag)
    return result


async def check_settled(url: str, topic: str, messages: int) -> None:
    """Raises RuntimeError unless the queue is empty, now that its consumer is gone.

    Quorum queues tell their length seconds late: so what is there is asked for.
    """
    async with _channel(url) as channel:
        queue = await channel.get_queue(f"{topic}.readers", ensure=False)
        if await queue.get(fail=False) is not None:
            raise RuntimeError(f"not all of {messages} were acknowledged")


async def send_paced(url: str, topic: str, messages: int, per_second: float) -> None:
    """A confirmed publish for each moment, whether or not the last was confirmed."""
    async with _channel(url) as channel:
        exchange = await channel.get_exchange(topic, ensure=False)

        async def send() -> None:
            await exchange.publish(_message(stamped()), "0")

        await open_loop(send, messages, per_second)


async def receive_paced(url: str, topic: str, messages: int) -> dict[str, float]:
    """How long each took to its handler."""
    waits: list[float] = []
    done = asyncio.Event()

    async def handle(body: dict[str, Any]) -> None:
        waits.append(waited_ms(body))

    async def receive(message: AbstractIncomingMessage) -> None:
        await handle(loads(message.body))
        await message.ack()
        if len(waits) == messages:
            done.set()

    async with _channel(url) as channel:
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.get_queue(f"{topic}.readers", ensure=False)
        tag = await queue.consume(receive)
        ready()
        async with asyncio.timeout(LIMIT_S):
            await done.wait()
        await queue.cancel(tag)
    return percentiles(waits)
