"""Transactions: nobody sees "database is locked", nothing is half done."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from sqlalchemy import func, insert, select

from newsstand.errors import Conflict, MissingReference, StorageUnavailable
from newsstand.storage.storage import Storage
from newsstand.tables import messenger, vendor

MANY = 40


async def _count(storage: Storage) -> int:
    return int(await storage.read.value(select(func.count()).select_from(vendor)))


async def test_transactions_that_read_and_then_write_all_succeed(storage: Storage) -> None:
    """Each sees what those before it wrote: no update is lost, none is refused."""

    async def add_one() -> None:
        async with storage.write() as rows:
            number = await rows.value(select(func.count()).select_from(vendor))
            await rows.run(insert(vendor).values(account_name=f"vendor {number}"))

    async with asyncio.TaskGroup() as group:
        for _ in range(MANY):
            group.create_task(add_one())

    names = await storage.read.all(select(vendor.c.account_name))
    assert sorted(row["account_name"] for row in names) == sorted(
        f"vendor {number}" for number in range(MANY)
    )


async def test_two_processes_wait_for_each_other(database_url: str, storage: Storage) -> None:
    """Two storages on one file are what two processes are to it."""

    async def add(where: Storage) -> None:
        for _ in range(MANY // 2):
            async with where.write() as rows:
                number = await rows.value(select(func.count()).select_from(vendor))
                await rows.run(insert(vendor).values(account_name=str(number)))

    async with Storage(database_url) as other, asyncio.TaskGroup() as group:
        group.create_task(add(storage))
        group.create_task(add(other))

    assert await _count(storage) == MANY


async def test_an_error_undoes_everything(storage: Storage) -> None:
    """And the next transaction works."""

    async def fail() -> None:
        async with storage.write() as rows:
            await rows.run(insert(vendor).values(account_name="x"))
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        await fail()

    async with storage.write() as rows:
        await rows.run(insert(vendor).values(account_name="y"))
    assert await _count(storage) == 1


async def test_a_cancellation_undoes_everything_wherever_it_comes(storage: Storage) -> None:
    """While waiting for a turn, while beginning, inside, and while committing."""
    done = 0

    async def add_one() -> None:
        nonlocal done
        async with storage.write() as rows:
            await rows.run(insert(vendor).values(account_name="one"))
            await rows.run(insert(vendor).values(account_name="two"))
        done += 1

    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        for step in range(MANY):
            task = group.create_task(add_one())
            loop.call_later(step * 0.0005, task.cancel)

    async with storage.write() as rows:
        assert await rows.value(select(func.count()).select_from(vendor)) % 2 == 0
    assert await _count(storage) >= 2 * done


async def test_a_lock_that_does_not_end_is_told_as_unavailable(database_url: str) -> None:
    """Somebody else writes for longer than we wait; afterwards it works."""
    blocker = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    async with Storage(database_url, busy_timeout_s=0.05) as storage:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable):
            async with storage.write():
                pass
        blocker.execute("ROLLBACK")
        blocker.close()

        async with storage.write() as rows:
            await rows.run(insert(vendor).values(account_name="x"))
        assert await _count(storage) == 1


async def test_constraints_are_told_as_what_they_mean(storage: Storage) -> None:
    """A taken id, and a reference to nothing."""
    async with storage.write() as rows:
        await rows.run(insert(vendor).values(id=1))

    with pytest.raises(Conflict):
        async with storage.write() as rows:
            await rows.run(insert(vendor).values(id=1))
    with pytest.raises(MissingReference):
        async with storage.write() as rows:
            await rows.run(insert(messenger).values(vendor_id=99))


async def test_what_is_committed_survives_a_power_cut(storage: Storage) -> None:
    """A write-ahead log, synchronised at every commit (2 is FULL)."""
    async with storage.write() as rows:
        pass

    connection = rows.connection
    assert await connection.fetch_val("PRAGMA journal_mode") == "wal"
    assert await connection.fetch_val("PRAGMA synchronous") == 2


async def test_a_closed_storage_says_so(database_url: str) -> None:
    """Before open and after close."""
    storage = Storage(database_url)
    with pytest.raises(StorageUnavailable, match="not open"):
        _ = storage.read
    await storage.open()
    await storage.aclose()
    await storage.aclose()

    with pytest.raises(StorageUnavailable, match="not open"):
        async with storage.write():
            pass
