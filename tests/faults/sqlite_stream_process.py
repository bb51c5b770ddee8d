"""A writer, reader or group member of a stream in a process of its own, to be killed.

    python -m tests.faults.sqlite_stream_process ROLE FILE LOG NUMBER COUNT

A writer appends COUNT records ``[NUMBER, n]`` over KEYS keys, at a fixed pace, and ends. A reader
notes ``POSITION PARTITION WRITER N`` for each record, and begins behind the last one it noted. A
member of the group ``g`` notes ``TIME PARTITION WRITER N``. A follower prints ``ready``, then how
late each record of the stream ``pace`` is, whose values are times. All go on until they are killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from anymq import App, after
from anymq.abc.stream import EARLIEST, LATEST, Start
from anymq.outcome import Confirmed
from anymq.streams.handle import StreamHandle
from anymq.streams.record import StreamRecord

__all__ = ["KEYS", "PARTITIONS"]

PARTITIONS = 2
KEYS = 10
BATCH = 50
PAUSE_S = 0.03
"""Between two batches: so that all kills fall into the time of appending."""
LEASE_S = 1.0


async def _write(stream: StreamHandle[Any], number: int, count: int) -> None:
    for begin in range(0, count, BATCH):
        numbers = range(begin, min(begin + BATCH, count))
        bodies = [[number, n] for n in numbers]
        keys = [f"{number}-{n % KEYS}" for n in numbers]
        results = await stream.append_many(bodies, keys=keys)
        if not all(isinstance(result, Confirmed) for result in results):
            raise RuntimeError(f"not appended: {results}")
        await asyncio.sleep(PAUSE_S)


def _behind(log: Path) -> Start:
    lines = log.read_text().splitlines() if log.exists() else []
    return after(lines[-1].split()[0]) if lines else EARLIEST


async def _read(stream: StreamHandle[Any], log: Path) -> None:
    await _note(stream.read(_behind(log)).__aiter__(), log, lambda record: record.position)


async def _tell(stream: StreamHandle[Any]) -> None:
    async with stream.read(LATEST) as reading:
        print("ready", flush=True)
        while True:
            for record in await reading.receive():
                print(time.monotonic() - record.value, flush=True)


async def _join(stream: StreamHandle[Any], log: Path) -> None:
    async with stream.group("g", lease_s=LEASE_S, commit_every_s=0.2) as member:
        await _note(member.__aiter__(), log, lambda _record: str(time.monotonic_ns()))


async def _note(
    records: AsyncIterator[StreamRecord[Any]], log: Path, first: Callable[[Any], str]
) -> None:
    """One write for each record, so that a killed process leaves whole lines."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    async for record in records:
        writer, n = record.value
        os.write(descriptor, f"{first(record)} {record.partition} {writer} {n}\n".encode())


async def _main(role: str, file: str, log: str, number: str, count: str) -> None:
    app = App(f"sqlite:///{file}")
    stream = app.stream("s", list[int], partitions=PARTITIONS)
    async with app:
        if role == "writer":
            await _write(stream, int(number), int(count))
        elif role == "follower":
            await _tell(app.stream("pace", float))
        elif role == "reader":
            await _read(stream, Path(log))
        else:
            await _join(stream, Path(log))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
