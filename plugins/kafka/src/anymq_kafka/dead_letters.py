"""A group's dead letters: a compacted topic with the message's id as key, resolved by tombstone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from confluent_kafka import Message as Native

from anymq.abc import DeadLetterEntry
from anymq.errors import BackendUnavailable, TopologyError
from anymq.outcome import Confirmed
from anymq_kafka.link import Link
from anymq_kafka.log_thread import LogThread
from anymq_kafka.offsets import FIRST, LAST
from anymq_kafka.wire import OutRecord, message_of

__all__ = ["DeadLetters"]

_AT_ONCE = 500


class DeadLetters:
    """Reads the whole topic each time: dead letters are few, or somebody should look at them."""

    def __init__(self, link: Link, topic: str, group: str) -> None:
        self._link = link
        self._topic = topic
        self._group = group
        self._physical = link.names.topic(topic, group, "dead")
        self._timeout_s = link.options.request_timeout_s

    async def entries(self) -> dict[str, DeadLetterEntry]:
        """Every unresolved dead letter by its id, oldest first. Raises TopologyError."""
        found: dict[str, DeadLetterEntry] = {}
        for native in await self._read():
            key = native.key()
            entry_id = key.decode(errors="replace") if isinstance(key, bytes) else str(key)
            found.pop(entry_id, None)
            if native.value() is not None:
                message = message_of(native, self._topic, "dead")
                found[entry_id] = DeadLetterEntry(entry_id, self._topic, self._group, message)
        return found

    async def remove(self, ids: Collection[str]) -> int:
        """Write tombstones for those that are there, and return how many were."""
        gone = list((await self.entries()).keys() & set(ids))
        tombstones = [OutRecord(self._physical, entry.encode(), None, []) for entry in gone]
        results = await self._link.send(tombstones, timeout_s=self._timeout_s)
        failed = [result for result in results if not isinstance(result, Confirmed)]
        if failed:
            raise BackendUnavailable(f"{len(failed)} dead letter(s) not removed: {failed[0]}")
        return len(gone)

    async def _read(self) -> list[Native]:
        offsets = self._link.clients.offsets
        there = await self._link.clients.directory.describe(
            [self._physical], timeout_s=self._timeout_s
        )
        if self._physical not in there:
            raise TopologyError(f"group {self._group!r} of topic {self._topic!r} is not declared")
        at = [(self._physical, part.id) for part in there[self._physical].partitions]
        starts = await offsets.ends(at, FIRST, timeout_s=self._timeout_s)
        ends = await offsets.ends(at, LAST, timeout_s=self._timeout_s)
        if starts == ends:
            return []
        collected = _Collected()
        thread = LogThread(
            self._link.config.consumer("anymq.reader", _AT_ONCE),
            name=f"{self._link.client_id}-kafka-dead-letters",
            bridge=self._link.clients.bridge,
            prefetch=_AT_ONCE,
            topic=self._physical,
            starts={number: offset for (_, number), offset in starts.items()},
            ends={number: offset for (_, number), offset in ends.items()},
            sink=collected,
        )
        collected.thread = thread
        thread.start()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await collected.all()
        except TimeoutError as error:
            raise BackendUnavailable(f"dead letters not read in {self._timeout_s} s") from error
        finally:
            await thread.aclose(timeout_s=self._timeout_s)


class _Collected:
    """Takes everything that a log holds."""

    def __init__(self) -> None:
        self.thread: LogThread | None = None
        self._records: list[Native] = []
        self._is_over = asyncio.Event()
        self._failure: Exception | None = None

    async def all(self) -> list[Native]:
        await self._is_over.wait()
        if self._failure is not None:
            raise self._failure
        return self._records

    def arrived(self, records: Sequence[Native]) -> None:
        self._records.extend(records)
        if self.thread is not None:
            self.thread.consumed(len(records))

    def finished(self) -> None:
        self._is_over.set()

    def ended(self, error: Exception | None) -> None:
        self._failure = error
        self._is_over.set()
