"""Reading a Stream: nothing is owned, so whatever is interrupted is simply read again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from anymq.abc import Record, StreamReader
from anymq.errors import BackendUnavailable, ClosedError
from anymq.support.backoff import Backoff
from anymq_redis.errors import translate
from anymq_redis.link import Command, Link
from anymq_redis.options import RedisOptions
from anymq_redis.positions import above, between, join
from anymq_redis.wire import decode, id_time

__all__ = ["RedisStreamReader"]

BLOCK_S = 1.0
"""Longest wait for the server in one go."""


class RedisStreamReader(StreamReader):
    """``ids`` are what was read last, by partition; ``ends`` where to stop, or None."""

    def __init__(
        self,
        stream: str,
        keys: Sequence[str],
        *,
        link: Link,
        options: RedisOptions,
        ids: list[str],
        ends: Sequence[str] | None,
        prefetch: int,
        on_close: Callable[[RedisStreamReader], None],
    ) -> None:
        self._stream = stream
        self._keys = keys
        self._partitions = {key.encode(): i for i, key in enumerate(keys)}
        self._link = link
        self._options = options
        self._ids = ids
        self._ends = ends
        self._prefetch = prefetch
        self._on_close = on_close
        self._is_closed = False
        self.lost = 0
        """Records that retention removed between where this reader was and where it went on."""

    @property
    def is_at_end(self) -> bool:
        return self._ends is not None and not self._unread()

    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        backoff = Backoff(first_s=0.05, max_s=1.0)
        while True:
            if self._is_closed:
                raise ClosedError("this reader is closed")
            if self.is_at_end:
                return []
            count = min(max_records, self._prefetch)
            try:
                found = await self._read(count, max(0.0, deadline - loop.time()))
            except BackendUnavailable:
                found = []
                await asyncio.sleep(max(0.0, min(backoff.next_s(), deadline - loop.time())))
            if found or loop.time() >= deadline:
                return found

    async def aclose(self, *, timeout_s: float) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._on_close(self)
        async with asyncio.timeout(timeout_s):
            await self._link.aclose()

    def _unread(self) -> list[int]:
        ends = self._ends or ()
        return [i for i, end in enumerate(ends) if above(end, self._ids[i])]

    async def _read(self, count: int, wait_s: float) -> list[Record]:
        if self._ends is None:
            return await self._follow(count, wait_s)
        unread = self._unread()
        each = max(1, count // len(unread))
        commands: list[Command] = [
            ("XRANGE", self._keys[i], f"({self._ids[i]}", self._ends[i], "COUNT", each)
            for i in unread
        ]
        replies = await self._run(commands, 0.0)
        for i, entries in zip(unread, replies, strict=True):
            if not entries:  # what was there has been trimmed
                self.lost += between(self._ids[i], self._ends[i], and_it=True)
                self._ids[i] = self._ends[i]
        return self._records(zip(unread, replies, strict=True), count)

    async def _follow(self, count: int, wait_s: float) -> list[Record]:
        each = max(1, count // len(self._keys))
        block_s = min(wait_s, BLOCK_S)
        block = ("BLOCK", max(1, int(block_s * 1000))) if block_s > 0 else ()
        command = ("XREAD", "COUNT", each, *block, "STREAMS", *self._keys, *self._ids)
        (reply,) = await self._run([command], block_s)
        return self._records(((self._partitions[key], found) for key, found in reply or ()), count)

    async def _run(self, commands: Sequence[Command], block_s: float) -> list[Any]:
        timeout_s = block_s + self._options.request_timeout_s
        replies = await self._link.run(commands, timeout_s=timeout_s)
        for reply in replies:
            if isinstance(reply, Exception):
                raise translate(reply, self._options.address) from reply
        return replies

    def _records(self, found: Any, count: int) -> list[Record]:
        """Records of (partition, entries); those beyond ``count`` come with the next read."""
        records: list[Record] = []
        for partition, entries in found:
            if entries:
                self.lost += between(self._ids[partition], entries[0][0].decode())
            for raw, fields in entries[: count - len(records)]:
                self._ids[partition] = entry_id = raw.decode()
                position = join(self._ids)
                message, _ = decode(
                    fields, topic=self._stream, lane="main", position=position, entry_id=entry_id
                )
                records.append(Record(message, position, id_time(entry_id), partition))
        return records
