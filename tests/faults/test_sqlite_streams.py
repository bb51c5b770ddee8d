"""Streams on one SQLite file: readers and members that are killed or cut off miss nothing."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from anymq import App, after
from anymq.abc.stream import EARLIEST
from anymq.streams.handle import StreamHandle
from tests.faults.sqlite_stream_process import PARTITIONS

pytestmark = pytest.mark.exclusive
ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0
Line = tuple[int, ...]
"""First word, partition, writer and number of a note."""


class Cast:
    """Two writers, a reader and two members of a group; three of them are killed."""

    def __init__(self, folder: Path, count: int) -> None:
        self.file = folder / "s.db"
        self.count = count
        self.reader = folder / "reader"
        self.members = [folder / "one", folder / "two"]
        self._folder = folder
        self._processes: dict[str, Process] = {}

    async def start(self, name: str) -> None:
        """Begin a part, by its name."""
        role, number = {
            "writer-0": ("writer", 0),
            "writer-1": ("writer", 1),
            "reader": ("reader", 0),
        }.get(name, ("member", 0))
        self._processes[name] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.sqlite_stream_process", role, str(self.file)),
            *(str(self._folder / name), str(number), str(self.count // 2)),
            cwd=ROOT,
        )

    async def kill(self, name: str) -> None:
        """Kill it without warning, and begin it again."""
        process = self._processes[name]
        assert process.returncode is None, f"{name} ended by itself"
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        await self.start(name)

    async def written(self) -> None:
        """Wait for the writers."""
        for name in ("writer-0", "writer-1"):
            assert await self._processes[name].wait() == 0

    async def end(self) -> None:
        """Kill what runs."""
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_kills_take_nothing_from_readers_and_groups(tmp_path: Path) -> None:
    """100,000 records; a reader and both members are killed five times each."""
    await _run(tmp_path, 100_000, kills=5, pause_s=(1.0, 3.0))


@pytest.mark.timeout(120)
async def test_a_kill_each_takes_nothing_from_readers_and_groups(tmp_path: Path) -> None:
    """The same, short enough for every day."""
    await _run(tmp_path, 6_000, kills=1, pause_s=(0.3, 0.6))


async def _run(folder: Path, count: int, *, kills: int, pause_s: tuple[float, float]) -> None:
    dice = random.Random(7)
    cast = Cast(folder, count)
    turns = [name for name in ("reader", "one", "two") for _ in range(kills)]
    dice.shuffle(turns)
    try:
        for name in ("writer-0", "writer-1", "reader", "one", "two"):
            await cast.start(name)
        await _until(lambda: all(len(_lines(log)) > 20 for log in (cast.reader, cast.members[0])))
        for name in turns:
            await asyncio.sleep(dice.uniform(*pause_s))  # the moments are what is tried
            await cast.kill(name)
        await cast.written()
        await _until(lambda: len(_lines(cast.reader)) >= count)
        await _until(lambda: len({line[2:] for line in _group(cast)}) >= count)
    finally:
        await cast.end()

    stored = await _all(cast.file)
    assert len(stored) == count
    assert _lines(cast.reader) == stored  # complete, in order, and nothing twice
    heard = _group(cast)
    print(f"{3 * kills} kills, {count} records, {len(heard) - count} again to the group")
    for partition in range(PARTITIONS):
        first = dict.fromkeys(line[2:] for line in heard if line[1] == partition)
        assert list(first) == [line[2:] for line in stored if line[1] == partition]


def _lines(log: Path) -> list[Line]:
    """Whole lines: the last may be half there while it is written."""
    text = log.read_text() if log.exists() else ""
    return [tuple(map(int, line.split())) for line in text.split("\n")[:-1]]


def _group(cast: Cast) -> list[Line]:
    """What the group was handed, in the order of time."""
    return sorted(line for log in cast.members for line in _lines(log))


async def _all(file: Path) -> list[Line]:
    """An uninterrupted reader's notes."""
    app = App(f"sqlite:///{file}")
    stream = app.stream("s", list[int], partitions=PARTITIONS)
    async with app:
        return [
            (int(record.position), record.partition, *record.value)
            async for record in stream.read(EARLIEST, follow=False)
        ]


@pytest.mark.long
@pytest.mark.timeout(200)
async def test_a_feed_that_is_cut_off_a_thousand_times_is_whole(tmp_path: Path) -> None:
    """Resumed each time behind what it had: equal to an uninterrupted one."""
    dice = random.Random(7)
    got: list[tuple[str, int]] = []
    async with _stream(tmp_path) as stream, asyncio.TaskGroup() as group:
        writing = group.create_task(_write(stream, dice))
        for _ in range(1000):
            await _read_a_while(stream, got, dice.uniform(0, 0.012), dice.choice((1, 3, 50)))
        writing.cancel()

    assert got
    async with _stream(tmp_path) as stream:
        await _read_a_while(stream, got, 2.0, 500)
        whole = [(r.position, r.value) async for r in stream.read(EARLIEST, follow=False)]
    print(f"1,000 disconnects, {len(whole)} records")
    assert got == whole


async def _read_a_while(
    stream: StreamHandle[Any], got: list[tuple[str, int]], for_s: float, most: int
) -> None:
    """Follow behind what was read, until cut off in the middle of whatever it does."""
    start = after(got[-1][0]) if got else EARLIEST
    try:
        async with asyncio.timeout(for_s), stream.read(start) as reading:
            while True:
                for record in await reading.receive(max_records=most):
                    got.append((record.position, record.value))
                    await asyncio.sleep(0)
    except TimeoutError:
        return


async def _write(stream: StreamHandle[Any], dice: random.Random) -> None:
    number = 0
    while True:
        count = dice.randrange(1, 6)
        await stream.append_many(list(range(number, number + count)))
        number += count
        await asyncio.sleep(dice.uniform(0, 0.005))


@asynccontextmanager
async def _stream(folder: Path) -> AsyncIterator[StreamHandle[Any]]:
    app = App(f"sqlite:///{folder}/s.db")
    stream = app.stream("s", int)
    async with app:
        yield stream


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - other processes write the notes
            await asyncio.sleep(0.3)
