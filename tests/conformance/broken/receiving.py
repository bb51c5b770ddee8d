"""Lies about receiving: how many, how soon, from where, and what cancelling leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.message import Delivery
from tests.conformance.broken.lie import LyingBroker, LyingMember, lie

__all__ = [
    "BlocksForever",
    "CrossesTopics",
    "DeafToStop",
    "GivesTooMany",
    "HotLoops",
    "IgnoresPrefetch",
    "LosesOnCancel",
    "NamesTheWrongTopic",
    "NewIdOnRedelivery",
    "PollsSlowly",
    "RaisesTimeout",
    "ReordersOneReceive",
    "ReturnsNone",
    "WaitsForAFullBatch",
]


@lie("hot-loops", "returns empty at once instead of waiting", "DEL-07")
class HotLoops(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        return await self.inner.receive(max_messages=max_messages, wait_s=0)


@lie("blocks-forever", "waits for a message however short the wait", "DEL-07", "ACK-04")
class BlocksForever(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        return await self.inner.receive(max_messages=max_messages, wait_s=3600)


@lie(
    "polls-slowly",
    "looks for messages every two seconds only",
    "DEL-07",
    "BAT-04",
    unharmed=["CFG-06"],
)
class PollsSlowly(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while True:
            got = await self.inner.receive(max_messages=max_messages, wait_s=0)
            if got or loop.time() >= until or self.inner._stopped:
                return got
            await asyncio.sleep(min(2.0, max(0.0, until - loop.time())))


@lie(
    "waits-for-a-full-batch",
    "returns only when max_messages are there or time is up",
    "DEL-07",
    "BAT-04",
    unharmed=["CFG-06"],
)
class WaitsForAFullBatch(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got: list[Delivery] = []
        until = asyncio.get_running_loop().time() + min(wait_s, 5)
        while len(got) < max_messages:
            rest = until - asyncio.get_running_loop().time()
            fresh = await self.inner.receive(max_messages=max_messages - len(got), wait_s=rest)
            if not fresh:
                break
            got += fresh
        return got


@lie("gives-too-many", "hands out all it has, whatever max_messages says", "BAT-04")
class GivesTooMany(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        return await self.inner.receive(max_messages=1000, wait_s=wait_s)


@lie("ignores-prefetch", "holds as much as it can get", "CON-05", "ACK-04")
class IgnoresPrefetch(LyingBroker):
    async def subscribe(self, source: Any, *, prefetch: int, on_lost: Any) -> Any:
        return await super().subscribe(source, prefetch=10_000, on_lost=on_lost)


@lie("returns-none", "returns None instead of an empty list", "DEL-07")
class ReturnsNone(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        return await self.inner.receive(max_messages=max_messages, wait_s=wait_s) or None


@lie("raises-timeout", "raises TimeoutError when nothing came", "DEL-07")
class RaisesTimeout(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got = await self.inner.receive(max_messages=max_messages, wait_s=wait_s)
        if not got and not self.inner._stopped:
            raise TimeoutError("nothing came")
        return got


@lie("deaf-to-stop", "a receive that waits is not woken by stop", "LIF-09")
class DeafToStop(LyingMember):
    async def stop(self) -> None:
        self.inner._stopped = True


@lie("loses-on-cancel", "a cancelled receive takes its messages with it", "LIF-15")
class LosesOnCancel(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got = await self.inner.receive(max_messages=max_messages, wait_s=wait_s)
        await asyncio.sleep(0.01)
        return got


@lie("reorders-one-receive", "hands out a batch from its end", "ORD-01")
class ReordersOneReceive(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        return (await self.inner.receive(max_messages=max_messages, wait_s=wait_s))[::-1]


@lie("crosses-topics", "gives one topic's messages to the groups of its namesake", "DEL-04")
class CrossesTopics(LyingBroker):
    async def send(self, messages: Any, **options: Any) -> Any:
        stray = [
            replace(message, topic=name)
            for message in messages
            for name in self.space.topics
            if name != message.topic and name[:17] == message.topic[:17]
        ]
        await super().send(stray, **options)
        return await super().send(messages, **options)


@lie("names-the-wrong-topic", "a subscription of two topics names the first for all", "DEL-06")
class NamesTheWrongTopic(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got: Sequence[Delivery] = await self.inner.receive(max_messages=max_messages, wait_s=wait_s)
        for delivery in got:
            delivery.message = replace(delivery.message, topic=self.source.topics[0])
        return got


@lie("new-id-on-redelivery", "gives a redelivered message another id", "DEL-03", "RTY-03")
class NewIdOnRedelivery(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got = await self.inner.receive(max_messages=max_messages, wait_s=wait_s)
        for delivery in got:
            delivery.message = replace(delivery.message, id=f"{delivery.token}-{delivery.id}")
        return got
