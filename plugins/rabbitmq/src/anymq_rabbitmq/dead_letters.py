"""One group's dead letters: a queue, looked through without taking anything from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from anymq.abc import BackendContext, DeadLetterEntry
from anymq.errors import Busy, TopologyError
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.frames import write_frames
from anymq_rabbitmq.groups import Groups
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.locks import locked, locked_patiently
from anymq_rabbitmq.scratch import scratch_channel
from anymq_rabbitmq.wire import decode_foreign

__all__ = ["DeadLetterDesk"]

_LOOK_S = 60.0
"""When a look through a queue is given up by others, if its process hangs in it."""
_MAX_LOOK = 65_000
"""How far into a queue one can look: AMQP counts what is not acknowledged in 16 bits."""


class DeadLetterDesk:
    """Looks by taking deliveries and giving all back; exclusive queues serve as locks.

    An exclusive queue belongs to one connection, ends with it, and expires: nobody else can
    declare it meanwhile. One lock is held by an operator for as long as he works, another by
    every look for a moment, so that two do not hide deliveries from each other.
    """

    def __init__(
        self,
        link: Link,
        directory: Directory,
        groups: Groups,
        context: BackendContext,
        *,
        timeout_s: float,
    ) -> None:
        self._groups = groups
        self._link = link
        self._directory = directory
        self._context = context
        self._timeout_s = timeout_s
        self._held: dict[str, float] = {}
        """Queues that an operator of this process holds, and until when."""
        self._looking = asyncio.Lock()
        """Guards against a second look of this connection, which the server would let in."""

    async def entries(
        self, topic: str, group: str, *, limit: int, after: str | None
    ) -> Sequence[DeadLetterEntry]:
        """As ``Management.dead_letters``."""
        queue = await self._queue(topic, group)
        found: dict[str, DeadLetterEntry] = {}
        now = self._context.clock.time()
        async with self._look(queue) as (_, messages):
            for message in messages:
                letter = decode_foreign(message, topic=topic, now=now, lane="dead")
                found.setdefault(letter.id, DeadLetterEntry(letter.id, topic, group, letter))
        ids = list(found)
        begin = ids.index(after) + 1 if after in found else 0
        return [found[entry] for entry in ids[begin : begin + limit]]

    async def resolve(self, topic: str, group: str, ids: Sequence[str]) -> int:
        """Remove letters by id; how many there were. Raises Busy."""
        queue, wanted = await self._queue(topic, group), set(ids)
        now = self._context.clock.time()
        async with self._unless_held(queue), self._look(queue) as (channel, messages):
            gone = [
                (letter.id, message.delivery_tag or 0)
                for message in messages
                if (letter := decode_foreign(message, topic=topic, now=now, lane="dead")).id
                in wanted
            ]
            await write_frames(channel, [Basic.Ack(tag) for _, tag in gone])
        return len({entry for entry, _ in gone})

    @asynccontextmanager
    async def hold(self, topic: str, group: str, *, lease_s: float) -> AsyncIterator[None]:
        """As ``Management.administer``."""
        queue = await self._queue(topic, group)
        if self._held.get(queue, 0.0) > self._context.clock.monotonic():
            raise Busy(f"another operator works on {queue!r}")
        async with self._operating(queue, lease_s):
            self._held[queue] = self._context.clock.monotonic() + lease_s
            try:
                yield
            finally:
                self._held.pop(queue, None)

    @asynccontextmanager
    async def _unless_held(self, queue: str) -> AsyncIterator[None]:
        if self._held.get(queue, 0.0) > self._context.clock.monotonic():
            yield
            return
        async with self._operating(queue, _LOOK_S):
            yield

    @asynccontextmanager
    async def _look(self, queue: str) -> AsyncIterator[tuple[Channel, list[DeliveredMessage]]]:
        lock = locked_patiently(
            self._link, f"anymq.look.{queue}", lease_s=_LOOK_S, timeout_s=self._timeout_s
        )
        async with self._looking, lock:
            doing = "looking through dead letters"
            async with scratch_channel(self._link, doing, self._timeout_s) as channel:
                yield channel, await self._take_all(channel, queue)
                # Closing the channel gives back what was not acked, each to its place.

    async def _take_all(self, channel: Channel, queue: str) -> list[DeliveredMessage]:
        counted = await self._directory.count(queue)
        expected = min(counted[0], _MAX_LOOK) if counted is not None else 0
        found: list[DeliveredMessage] = []
        if not expected:
            return found
        complete = asyncio.Event()

        async def keep(message: DeliveredMessage) -> None:
            found.append(message)
            if len(found) >= expected:
                complete.set()

        await channel.basic_qos(prefetch_count=expected)
        await channel.basic_consume(queue, keep)
        await complete.wait()
        return found[:expected]

    def _operating(self, queue: str, lease_s: float) -> AbstractAsyncContextManager[None]:
        name = f"anymq.operator.{queue}"
        return locked(self._link, name, lease_s=lease_s, timeout_s=self._timeout_s)

    async def _queue(self, topic: str, group: str) -> str:
        facts = await self._groups.find(self._context.physical(topic), group)
        if facts is None:
            raise TopologyError(f"group {group!r} of {topic!r} is not declared")
        return facts.dead
