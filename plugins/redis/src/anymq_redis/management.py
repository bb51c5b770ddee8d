"""The operator's view of Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from anymq.abc import BackendContext, DeadLetterEntry, GroupState, Management, TopicState
from anymq.abc.management import Resolution
from anymq.errors import AnyMQError, Busy
from anymq_redis.errors import translate
from anymq_redis.group_state import Member, state_of
from anymq_redis.keys import GroupKeys, TopicKeys
from anymq_redis.link import Argument, Command, Link
from anymq_redis.options import RedisOptions
from anymq_redis.scripts import script
from anymq_redis.topology import Declarations
from anymq_redis.wire import decode

__all__ = ["RedisManagement"]

LET_GO_S = 2.0
"""Giving up the dead letters may take no longer; they are free when the lease ends anyway."""


class RedisManagement(Management):
    """Over the Broker's own connection. Each object is an operator of its own."""

    def __init__(
        self, link: Link, declarations: Declarations, options: RedisOptions, context: BackendContext
    ) -> None:
        self._link = link
        self._declarations = declarations
        self._options = options
        self._context = context
        self._operator = uuid4().hex

    async def topics(self) -> Sequence[TopicState]:
        found = []
        for name in await self._names():
            keys, partitions = await self._topic(name)
            lengths = await self._run([("XLEN", stream) for stream in keys.streams(partitions)])
            found.append(TopicState(name, partitions, sum(lengths)))
        return found

    async def groups(self, topic: str | None = None) -> Sequence[GroupState]:
        states: list[GroupState] = []
        for name in [topic] if topic is not None else await self._names():
            keys, partitions = await self._topic(name)
            members = await self._call("SMEMBERS", keys.groups)
            states += [
                await self._state(name, keys, group, partitions)
                for group in sorted(member.decode() for member in members)
            ]
        return states

    async def dead_letters(
        self, topic: str, group: str, *, limit: int, after: str | None = None
    ) -> Sequence[DeadLetterEntry]:
        dead = (await self._group(topic, group))[0].dead
        start = f"({after}" if after is not None else "-"
        found = []
        for raw, fields in await self._call("XRANGE", dead, start, "+", "COUNT", limit):
            entry_id = raw.decode()
            message, _ = decode(
                fields, topic=topic, lane="dead", position=entry_id, entry_id=entry_id
            )
            found.append(DeadLetterEntry(entry_id, topic, group, message))
        return found

    async def resolve(
        self, topic: str, group: str, ids: Sequence[str], resolution: Resolution
    ) -> int:
        own, _ = await self._group(topic, group)
        removed = await self._call(*script("resolve", 2), own.dead, own.admin, self._operator, *ids)
        if removed < 0:
            raise Busy(_held(topic, group))
        return int(removed)

    @asynccontextmanager
    async def administer(self, topic: str, group: str, *, lease_s: float) -> AsyncIterator[None]:
        own, _ = await self._group(topic, group)
        lease_ms = max(1, int(lease_s * 1000))
        if not await self._call("SET", own.admin, self._operator, "NX", "PX", lease_ms):
            raise Busy(_held(topic, group))
        try:
            yield
        finally:
            try:
                async with asyncio.timeout(LET_GO_S):
                    await self._call(*script("let_go", 1), own.admin, self._operator)
            except (AnyMQError, TimeoutError):
                pass  # the lease ends by itself

    async def purge(self, topic: str, group: str) -> int:
        own, streams = await self._group(topic, group)
        keys = (own.delayed, *streams, *own.retries(len(streams)))
        return int(await self._call(*script("purge", len(keys)), *keys, group))

    async def remove_group(self, topic: str, group: str) -> None:
        own, streams = await self._group(topic, group)
        groups = self._declarations.keys(topic).groups
        private = own.retries(len(streams))
        keys = (groups, own.dead, own.delayed, own.admin, *streams, *private)
        gone_ms = int(self._gone_s() * 1000)
        members = await self._call(*script("remove_group", len(keys)), *keys, group, gone_ms)
        if members:
            raise Busy(f"group {group!r} of {topic!r} has {members} member(s)")
        self._declarations.forget(topic, group)

    async def _state(self, topic: str, keys: TopicKeys, group: str, partitions: int) -> GroupState:
        own = keys.group(group)
        streams = [*keys.streams(partitions), *own.retries(partitions)]
        commands: list[Command] = [("XINFO", "GROUPS", stream) for stream in streams]
        commands += [("XINFO", "CONSUMERS", stream, group) for stream in streams]
        commands += [("ZCARD", own.delayed), ("XLEN", own.dead)]
        replies = await self._run(commands)
        n = len(streams)
        return state_of(
            topic,
            group,
            infos=replies[:n],
            consumers=[Member.of(info) for reply in replies[n : 2 * n] for info in reply],
            delayed=replies[-2],
            dead=replies[-1],
            gone_s=self._gone_s(),
        )

    def _gone_s(self) -> float:
        """After so long without a sign a member does not count; a living one gives one in time."""
        return max(2.0, self._options.lease_s)

    async def _names(self) -> list[str]:
        return await self._declarations.names(timeout_s=self._options.request_timeout_s)

    async def _topic(self, name: str) -> tuple[TopicKeys, int]:
        timeout_s = self._options.request_timeout_s
        (partitions,) = await self._declarations.partitions([name], None, timeout_s=timeout_s)
        return self._declarations.keys(name), partitions

    async def _group(self, topic: str, group: str) -> tuple[GroupKeys, list[str]]:
        timeout_s = self._options.request_timeout_s
        (partitions,) = await self._declarations.partitions([topic], group, timeout_s=timeout_s)
        keys = self._declarations.keys(topic)
        return keys.group(group), keys.streams(partitions)

    async def _call(self, *command: Argument) -> Any:
        return await self._link.call(*command, timeout_s=self._options.request_timeout_s)

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        replies = await self._link.run(commands, timeout_s=self._options.request_timeout_s)
        for reply in replies:
            if isinstance(reply, Exception):
                raise translate(reply, self._options.address) from reply
        return replies


def _held(topic: str, group: str) -> str:
    return f"another operator works on the dead letters of {topic!r}/{group!r}"
