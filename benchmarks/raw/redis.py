"""The expert's loops with redis-py: pipelines of 256, one XACK per batch of 256."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import redis.asyncio as redis

from benchmarks.body import BODY, dumps, loads
from benchmarks.clock import Stopwatch, percentiles, stamped, waited_ms
from benchmarks.pace import open_loop, ready

__all__ = ["check_settled", "consume", "publish", "receive_paced", "remove", "send_paced"]

WINDOW = 256
GROUP = "readers"
BLOCK_MS = 2000


def _fields(body: dict[str, Any], *, same_fields: bool) -> dict[Any, Any]:
    """The entry: the body alone, or with the id, time and content type that ours has."""
    fields: dict[Any, Any] = {"body": dumps(body).encode()}
    if same_fields:
        fields["anymq-id"] = uuid4().hex
        fields["anymq-timestamp"] = repr(time.time())
        fields["anymq-content-type"] = "application/json"
    return fields


async def publish(
    url: str, topic: str, messages: int, *, same_fields: bool = False
) -> dict[str, float]:
    """XADD in non-transactional pipelines of 256, each awaited."""
    async with redis.from_url(url) as client:
        await client.xgroup_create(topic, GROUP, "0", mkstream=True)
        watch = Stopwatch()
        for begin in range(0, messages, WINDOW):
            pipeline = client.pipeline(transaction=False)
            for _ in range(min(WINDOW, messages - begin)):
                pipeline.xadd(topic, _fields(BODY, same_fields=same_fields))
            await pipeline.execute()
        return watch.result(messages)


async def consume(url: str, topic: str, messages: int) -> dict[str, float]:
    """XREADGROUP of 256; from the first handler call to the last XACK's reply."""
    handled = 0
    watch: Stopwatch | None = None

    async def handle(body: dict[str, Any]) -> None:
        nonlocal handled, watch
        watch = watch or Stopwatch()
        handled += 1

    async with redis.from_url(url) as client:
        while handled < messages:
            ids = []
            for entry_id, fields in await _read(client, topic):
                await handle(loads(fields[b"body"]))
                ids.append(entry_id)
            await client.xack(topic, GROUP, *ids)
        return watch.result(messages) if watch else {}


async def check_settled(url: str, topic: str, messages: int) -> None:
    """Raises RuntimeError unless all was delivered and acknowledged."""
    async with redis.from_url(url) as client:
        [group] = await client.xinfo_groups(topic)
    if group["pending"] or group["lag"] or group["entries-read"] != messages:
        raise RuntimeError(f"not settled: {group}")


async def _read(client: redis.Redis, topic: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    reply = await client.xreadgroup(GROUP, "raw", {topic: ">"}, count=WINDOW, block=BLOCK_MS)
    if not reply:
        raise TimeoutError("nothing more came")
    streams = reply.values() if isinstance(reply, dict) else (stream[1] for stream in reply)
    entries: Any = next(iter(streams))
    found: list[tuple[bytes, dict[bytes, bytes]]] = (
        entries[0] if isinstance(reply, dict) else entries
    )
    return found


async def send_paced(url: str, topic: str, messages: int, per_second: float) -> None:
    """An awaited XADD for each moment, whether or not the last was answered."""
    async with redis.from_url(url) as client:

        async def send() -> None:
            await client.xadd(topic, _fields(stamped(), same_fields=False))

        await open_loop(send, messages, per_second)


async def receive_paced(url: str, topic: str, messages: int) -> dict[str, float]:
    """How long each took to its handler."""
    waits: list[float] = []

    async def handle(body: dict[str, Any]) -> None:
        waits.append(waited_ms(body))

    async with redis.from_url(url) as client:
        await client.xgroup_create(topic, GROUP, "0", mkstream=True)
        await client.ping()
        ready()
        while len(waits) < messages:
            ids = []
            for entry_id, fields in await _read_patiently(client, topic):
                await handle(loads(fields[b"body"]))
                ids.append(entry_id)
            await client.xack(topic, GROUP, *ids)
    return percentiles(waits)


async def _read_patiently(client: redis.Redis, topic: str) -> Any:
    for _ in range(10):  # the sender takes a moment to start
        try:
            return await _read(client, topic)
        except TimeoutError:
            await asyncio.sleep(0)
    raise TimeoutError("nothing more came")


async def remove(url: str, topic: str) -> None:
    """All keys of a topic."""
    async with redis.from_url(url) as client:
        async for key in client.scan_iter(match=f"*{topic}*", count=1000):
            await client.unlink(key)
