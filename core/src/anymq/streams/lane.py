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

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be added now."""
        return len(self._items) >= self._size

    async def wait_room(self) -> None:
        """Until there is room."""
        while self.is_full:
            self._room.clear()
            await self._room.wait()

    def add(self, item: Read) -> None:
        """Put one there; only while it is not full."""
        self._items.append(item)
        if len(self._items) == 1:
            self._news.set()

    def take(self) -> Read | None:
        """The next one whose partition is still ours, if there is one; never waits."""
        while self._items:
            item = self._items.popleft()
            if len(self._items) == self._size - 1:
                self._room.set()
            if item[1].is_open:
                return item
        return None

    async def wait_news(self) -> bool:
        """Until there may be something to take; False once it is closed. Raises what ended it."""
        while not self._items:
            if self._failure is not None:
                raise self._failure
            if self._is_closed:
                return False
            self._news.clear()
            await self._news.wait()
        return True

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
        shelf = self._shelf
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
                        if shelf.is_full:
                            await shelf.wait_room()
                        shelf.add((record, progress, item))
                if records:
                    for progress in self.partitions.values():
                        progress.passed(records[-1].position)


def _raw(record: Any) -> Any:
    """Records are handed on as the driver gave them."""
    return record
