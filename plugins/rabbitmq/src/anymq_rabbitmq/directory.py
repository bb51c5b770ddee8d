"""Which exchanges and queues exist, asked once and remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.base import Frame
from pamqp.commands import Queue

from anymq_rabbitmq.errors import is_starting, translated
from anymq_rabbitmq.link import Link

__all__ = ["Directory"]


class Directory:
    """Answers by passive declares on a channel of its own.

    A publish to an exchange that is not there closes its channel, and every publish on it becomes
    unknown; so one asks before. Only what exists is remembered: what is missing may be declared at
    any moment by another process.
    """

    def __init__(self, link: Link, *, timeout_s: float) -> None:
        self._link = link
        self._timeout_s = timeout_s
        self._known: set[tuple[str, str]] = set()
        self._channel: Channel | None = None
        self._asking = asyncio.Lock()
        """Guards the channel: AMQP answers one question at a time."""

    async def has_exchange(self, name: str) -> bool:
        """Whether there is an exchange of this name. Raises BackendUnavailable."""
        return await self._has("exchange", name)

    async def has_queue(self, name: str) -> bool:
        """Whether there is a queue of this name. Raises BackendUnavailable."""
        return await self._has("queue", name)

    async def count(self, queue: str) -> tuple[int, int] | None:
        """Ready messages and consumers of a queue; None if it does not exist. Never remembered."""
        async with self._asking:
            with translated("looking at a queue"):
                async with asyncio.timeout(self._timeout_s):
                    answer = await self._answer(partial(_look_at, "queue", queue))
        if not isinstance(answer, Queue.DeclareOk):
            return None
        return answer.message_count or 0, answer.consumer_count or 0

    async def ask(self) -> None:
        """Ask for something that every server has. Raises BackendUnavailable."""
        async with self._asking:
            with translated("asking for its health"):
                async with asyncio.timeout(self._timeout_s):
                    await self._ask("exchange", "amq.topic")

    def forget(self) -> None:
        """Ask again about everything: the server may have lost it."""
        self._known.clear()

    async def _has(self, kind: str, name: str) -> bool:
        if (kind, name) in self._known:
            return True
        async with self._asking:
            with translated(f"looking for {kind} {name!r}"):
                async with asyncio.timeout(self._timeout_s):
                    exists = await self._ask(kind, name)
        if exists:
            self._known.add((kind, name))
        return exists

    async def _ask(self, kind: str, name: str) -> bool:
        return await self._answer(partial(_look_at, kind, name)) is not None

    async def _answer(self, question: Callable[[Channel], Awaitable[Frame]]) -> Frame | None:
        """The server's answer, or None for what does not exist."""
        channel = await self._open_channel()
        self._channel = None  # a question that is cancelled or refused ends the channel
        try:
            answer = await question(channel)
        except ChannelNotFoundEntity as error:
            if is_starting(error):
                raise
            return None
        self._channel = channel
        return answer

    async def _open_channel(self) -> Channel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._link.channel(timeout_s=self._timeout_s)
        return self._channel


async def _look_at(kind: str, name: str, channel: Channel) -> Frame:
    if kind == "exchange":
        return await channel.exchange_declare(name, passive=True)
    return await channel.queue_declare(name, passive=True)
