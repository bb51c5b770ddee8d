"""The Stream on Redis: entries of a log per partition, and groups' positions in a hash."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from anymq.abc import BackendContext, EventSink, Health, Start, Stream, StreamSpec
from anymq.abc.stream import After, At, Earliest
from anymq.capabilities import Capabilities
from anymq.errors import ClosedError
from anymq.message import Message
from anymq.outcome import SendResult
from anymq.topology import TopologyMode
from anymq_redis.condition import Condition
from anymq_redis.errors import translate
from anymq_redis.ledger import Ledger
from anymq_redis.link import Command, Greeting, Link
from anymq_redis.log_declarations import LogDeclarations
from anymq_redis.options import RedisOptions
from anymq_redis.positions import BEGIN, before, join, parse
from anymq_redis.probe import look, probe
from anymq_redis.renewing import RenewingSender
from anymq_redis.scripts import script
from anymq_redis.sending import Sender, for_streams
from anymq_redis.stream_reader import RedisStreamReader

__all__ = ["RedisStream"]

MARKER = "anymq.appender"
"""Begins the keys by which appenders find out what was carried out; they expire."""


class RedisStream(Stream):
    """One connection to append, one to administer, and one for each reader."""

    def __init__(self, options: RedisOptions, context: BackendContext) -> None:
        self._options = options
        self._context = context
        self._condition = Condition(options.address)
        self._admin = self._link("stream-admin")
        ledger = Ledger(f"{context.physical(MARKER)}:{uuid4().hex}")
        self._appender = self._link("stream-appender", ledger)
        appender = Sender(
            self._appender,
            context.physical,
            address=options.address,
            name="append",
            build=for_streams,
            ledger=ledger,
        )
        self._logs = LogDeclarations(self._admin, context.physical, options)
        self._sender = RenewingSender(appender, self._appender, self._logs, self._condition)
        self._readers: list[RedisStreamReader] = []
        self._is_closed = False

    async def open(self, events: EventSink) -> Capabilities:
        is_open = False
        try:
            capabilities = await probe(self._admin, self._options)
            is_open = True
        finally:
            if not is_open:
                await self._admin.aclose()
        self._condition.connected(events)
        return capabilities

    async def health(self) -> Health:
        if self._is_closed:
            return Health("down", "closed")
        return await look(self._admin, self._options, self._condition)

    async def declare(
        self, streams: Sequence[StreamSpec], *, mode: TopologyMode, timeout_s: float
    ) -> None:
        self._check_open()
        await self._logs.declare(streams, mode, timeout_s=timeout_s)

    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Sequence[SendResult]:
        self._check_open()
        return await self._sender.send(records, timeout_s=timeout_s)

    async def ends(self, stream: str) -> str:
        self._check_open()
        return join(await self._ends(stream))

    async def reader(
        self, stream: str, start: Start, *, follow: bool, prefetch: int
    ) -> RedisStreamReader:
        self._check_open()
        ends = await self._ends(stream)
        reader = RedisStreamReader(
            stream,
            self._logs.keys(stream).streams(len(ends)),
            link=self._link("stream-reader"),
            options=self._options,
            ids=_first(start, ends),
            ends=None if follow else ends,
            prefetch=prefetch,
            on_close=self._readers.remove,
        )
        self._readers.append(reader)
        return reader

    async def commit(self, stream: str, group: str, position: str) -> None:
        self._check_open()
        partitions = await self._logs.partitions(stream)
        ids = parse(position, partitions)
        await self._run([(*script("commit", 1), self._logs.keys(stream).commits, group, *ids)])

    async def committed(self, stream: str, group: str) -> str | None:
        self._check_open()
        partitions = await self._logs.partitions(stream)
        fields = [f"{group}#{i}" for i in range(partitions)]
        (found,) = await self._run([("HMGET", self._logs.keys(stream).commits, *fields)])
        if None in found:
            return None
        return join([entry_id.decode() for entry_id in found])

    async def aclose(self, *, timeout_s: float) -> None:
        self._is_closed = True
        async with asyncio.timeout(timeout_s):
            for reader in tuple(self._readers):
                await reader.aclose(timeout_s=timeout_s)
            await self._appender.aclose()
            await self._admin.aclose()

    async def _ends(self, stream: str) -> list[str]:
        partitions = await self._logs.partitions(stream)
        streams = self._logs.keys(stream).streams(partitions)
        timeout_s = self._options.request_timeout_s
        replies = await self._admin.run(
            [("XINFO", "STREAM", name) for name in streams], timeout_s=timeout_s
        )
        return [self._end(reply) for reply in replies]

    def _end(self, reply: Any) -> str:
        if isinstance(reply, Exception):
            if "no such key" in str(reply):
                return BEGIN  # nothing was appended yet
            raise translate(reply, self._options.address) from reply
        pairs = iter(reply)
        last: bytes = dict(zip(pairs, pairs, strict=True))[b"last-generated-id"]
        return last.decode()

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        return await self._logs.run(commands, timeout_s=self._options.request_timeout_s)

    def _link(self, purpose: str, greeting: Greeting | None = None) -> Link:
        name = f"{self._context.client_id}-{purpose}"
        return Link(self._options, self._condition, name=name, greeting=greeting)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("this stream connection is closed")


def _first(start: Start, ends: Sequence[str]) -> list[str]:
    """The ids behind which a reader begins."""
    if isinstance(start, After):
        return parse(start.position, len(ends))
    if isinstance(start, At):
        return [before(start.time)] * len(ends)
    return [BEGIN] * len(ends) if isinstance(start, Earliest) else list(ends)
