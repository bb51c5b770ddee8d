"""The database of one process: any number may read at once, writers take turns."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

from databases import Database

from newsstand.errors import StorageUnavailable
from newsstand.storage.failures import translated
from newsstand.storage.rows import Rows

__all__ = ["Storage"]

# How long a statement waits for another process that writes.
BUSY_TIMEOUT_S = 5.0
# How long a writer waits for those before it in this process.
TURN_TIMEOUT_S = 10.0


class Storage:
    """Opened once per process, closed by who opened it.

    One connection reads, one writes. A transaction begins with the right to write, so it never
    fails half-way because another one did; those of this process queue up before that.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        # Two, because a Database has one connection per task, and these two outlive every task.
        self._reading = Database(url, timeout=busy_timeout_s)
        self._writing = Database(url, timeout=busy_timeout_s)
        self._turn = asyncio.Lock()  # guards the writing connection's transaction
        self._stack = AsyncExitStack()
        self._reader: Rows | None = None
        self._writer: Rows | None = None

    async def open(self) -> None:
        """Connect. Raises StorageUnavailable."""
        async with AsyncExitStack() as stack:
            with translated():
                self._reader = await _connect(stack, self._reading)
                self._writer = await _connect(stack, self._writing)
            self._stack = stack.pop_all()

    async def aclose(self) -> None:
        """Disconnect; idempotent."""
        self._reader = self._writer = None
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    @property
    def read(self) -> Rows:
        """For queries that see what is committed. Raises StorageUnavailable when closed."""
        if self._reader is None:
            raise StorageUnavailable("the database is not open")
        return self._reader

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Rows]:
        """One transaction: committed at the end, undone by any error or cancellation inside.

        Start no task inside. Raises StorageUnavailable when no turn comes within ten seconds.
        """
        writer = self._writer
        if writer is None:
            raise StorageUnavailable("the database is not open")
        await self._wait_for_turn()
        is_done = False
        try:
            with translated():
                await writer.run("BEGIN IMMEDIATE")
                yield writer
                await writer.run("COMMIT")
            is_done = True
        finally:
            try:
                if not is_done:
                    await _undo(writer)
            finally:
                self._turn.release()

    async def _wait_for_turn(self) -> None:
        try:
            async with asyncio.timeout(TURN_TIMEOUT_S):
                await self._turn.acquire()
        except TimeoutError:
            raise StorageUnavailable("the database is busy: too many writes wait") from None


async def _connect(stack: AsyncExitStack, database: Database) -> Rows:
    await stack.enter_async_context(database)
    rows = Rows(await stack.enter_async_context(database.connection()))
    # FULL: what was committed survives a power cut (write-ahead log with less loses it).
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        await rows.run(f"PRAGMA {pragma}")
    return rows


async def _undo(writer: Rows) -> None:
    try:
        await writer.run("ROLLBACK")
    except sqlite3.OperationalError:
        pass  # there is none: it did not begin, or the database undid it itself
