"""FastStream's per-message handlers, acknowledged after the handler: ``AckPolicy.ACK``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from faststream import AckPolicy

from benchmarks.body import BODY, dumps
from benchmarks.clock import Stopwatch

__all__ = ["consume_kafka", "consume_rabbitmq", "consume_redis", "fill_redis"]

PREFETCH = 256
LIMIT_S = 300


async def fill_redis(url: str, topic: str, messages: int) -> None:
    """Entries with the field in which FastStream keeps its data, written by the raw client."""
    import redis.asyncio as redis

    async with redis.from_url(url) as client:
        await client.xgroup_create(topic, "readers", "0", mkstream=True)
        for begin in range(0, messages, PREFETCH):
            pipeline = client.pipeline(transaction=False)
            for _ in range(min(PREFETCH, messages - begin)):
                pipeline.xadd(topic, {"__data__": dumps(BODY).encode()})
            await pipeline.execute()


async def consume_redis(url: str, topic: str, messages: int) -> dict[str, float]:
    """A stream's group, reads of 256, an awaited XACK per message."""
    from faststream.redis import RedisBroker, StreamSub

    broker = RedisBroker(url, logger=None)
    stream = StreamSub(topic, group="readers", consumer="one", max_records=PREFETCH)
    subscriber = broker.subscriber(stream=stream, ack_policy=AckPolicy.ACK)
    return await _drain(broker, subscriber, messages)


async def consume_rabbitmq(url: str, topic: str, messages: int) -> dict[str, float]:
    """Prefetch 256, an ack per message."""
    from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

    broker = RabbitBroker(url, logger=None)
    queue = RabbitQueue(f"{topic}.readers", durable=True, declare=False)
    channel = Channel(prefetch_count=PREFETCH)
    subscriber = broker.subscriber(queue, channel=channel, ack_policy=AckPolicy.ACK)
    return await _drain(broker, subscriber, messages)


async def consume_kafka(url: str, topic: str, messages: int) -> dict[str, float]:
    """Its confluent broker: a commit per message."""
    from faststream.confluent import KafkaBroker

    broker = KafkaBroker(urlsplit(url).netloc, logger=None)
    subscriber = broker.subscriber(
        topic,
        group_id=f"{topic}.readers",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=5,
        ack_policy=AckPolicy.ACK,
    )
    return await _drain(broker, subscriber, messages)


async def _drain(broker: Any, subscriber: Callable[..., Any], messages: int) -> dict[str, float]:
    """From the first handler call to the last."""
    handled = 0
    watch: Stopwatch | None = None
    result: dict[str, float] = {}
    done = asyncio.Event()

    @subscriber
    async def handle(body: dict[str, Any]) -> None:
        nonlocal handled, watch, result
        watch = watch or Stopwatch()
        handled += 1
        if handled == messages:
            result = watch.result(messages)
            done.set()

    async with broker, asyncio.timeout(LIMIT_S):
        await broker.start()
        await done.wait()
    return result
