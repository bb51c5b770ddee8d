"""Lane: one reader for partitions that a member took over at the same position."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from anymq.abc import Record
from anymq.abc.stream import Start
from anymq.errors import BackendUnavailable
from anymq.streams.progress import Item, Progress
from anymq.streams.reading import WAIT_S, Reading

if TYPE_CHECKING:
    from anymq.runtime.stream_role import StreamRole

__all__ = ["Lane", "Shelf"]

Read = tuple[Record, Progress, Item]


class Shelf:
    """Records that were read and wait to be handed out; bounded."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Read] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._failure: Exception | None = None
        self._is_closed = False

    async def put(self, item: Read) -> None:
        """Add one; waits while it is full."""
        while len(self._items) >= self._size:
            self._room.clear()
            await self._room.wait()
        self._items.append(item)
        self._news.set()

    async def take(self) -> Read | None:
        """The next one whose partition is still ours; None once it is closed."""
        while True:
            while self._items:
                item = self._items.popleft()
                self._room.set()
                if item[1].is_open:
                    return item
            if self._failure is not None:
                raise self._failure
            if self._is_closed:
                return None
            self._news.clear()
            await self._news.wait()

    def fail(self, error: Exception) -> None:
        """Have whoever takes the next one raise this."""
        self._failure = error
        self._news.set()

    def close(self) -> None:
        """Give nothing more."""
        self._is_closed = True
        self._items.clear()
        self._news.set()
        self._room.set()


class Lane:
    """Reads the whole stream, and puts on the shelf what stands in its partitions.

    A reader of the narrow interface reads all partitions; what belongs to other members is passed
    over.
    """

    def __init__(
        self,
        role: StreamRole,
        stream: str,
        group: str,
        start: Start,
        shelf: Shelf,
        *,
        prefetch: int,
    ) -> None:
        self.partitions: dict[int, Progress] = {}
        self._shelf = shelf
        self._reading: Reading[Any] = Reading(
            role,
            stream,
            start,
            follow=True,
            prefetch=prefetch,
            read=_raw,
            distinct=False,
            group=group,
        )

    async def run(self) -> None:
        """Read for ever."""
        async with self._reading as reading:
            while True:
                try:
                    records = await reading.receive_raw(None, WAIT_S)
                except BackendUnavailable:
                    continue
                for record in records:
                    progress = self.partitions.get(record.partition)
                    if progress is not None:
                        item = progress.read(record.position)
                        await self._shelf.put((record, progress, item))
                if records:
                    for progress in self.partitions.values():
                        progress.passed(records[-1].position)


def _raw(record: Any) -> Any:
    """Records are handed on as the driver gave them."""
    return record
