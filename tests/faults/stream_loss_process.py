"""A writer, reader or group member of a stream on a server, in a process of its own, to be killed.

    python -m tests.faults.stream_loss_process ROLE URL NAMESPACE LOG NUMBER COUNT

A writer appends COUNT records ``[NUMBER, n]`` over KEYS keys, repeating what ended unknown with the
same ids, and notes ``n`` for every batch that is stored. A reader notes ``TIME PARTITION WRITER N
POSITION`` for each record, and begins behind the last one it noted. A member of the group ``g``
notes the same. They go on until they are killed; each note is one write.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from anymq import App, after
from anymq.abc.stream import EARLIEST, Start
from anymq.config import Settings
from anymq.outcome import Confirmed
from anymq.streams.handle import StreamHandle
from anymq.streams.record import StreamRecord

__all__ = ["KEYS", "declared", "partitions_of"]

KEYS = 10
BATCH = 50
PAUSE_S = 0.04
"""Between two batches, so that every kill falls into the time of appending."""
APPEND_S = 120.0
"""Longer than a server needs to come back."""
LEASE_S = 3.0


def partitions_of(url: str) -> int:
    """RabbitMQ's streams have one."""
    return 1 if url.startswith("amqp") else 3


def declared(url: str, namespace: str) -> tuple[App, StreamHandle[Any]]:
    """The application of every part, and of who looks afterwards."""
    app = App(settings=Settings(url=url, namespace=namespace, connect_wait_s=60.0))
    return app, app.stream("numbers", partitions=partitions_of(url))


async def _write(stream: StreamHandle[Any], log: int, number: int, count: int) -> None:
    for begin in range(0, count, BATCH):
        numbers = list(range(begin, min(begin + BATCH, count)))
        while numbers:
            results = await stream.append_many(
                [[number, n] for n in numbers],
                keys=[f"{number}-{n % KEYS}" for n in numbers],
                timeout_s=APPEND_S,
            )
            pairs = zip(numbers, results, strict=True)
            numbers = [n for n, result in pairs if not isinstance(result, Confirmed)]
        os.write(log, b"%d\n" % begin)
        await asyncio.sleep(PAUSE_S)


def _behind(log: Path) -> Start:
    lines = log.read_text().splitlines() if log.exists() else []
    return after(lines[-1].split()[4]) if lines else EARLIEST


async def _note(records: AsyncIterator[StreamRecord[Any]], log: int) -> None:
    async for record in records:
        number, n = record.value
        note = f"{time.monotonic_ns()} {record.partition} {number} {n} {record.position}\n"
        os.write(log, note.encode())


async def _main(role: str, url: str, namespace: str, path: str, number: str, count: str) -> None:
    app, stream = declared(url, namespace)
    start = _behind(Path(path))
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    async with app:
        if role == "writer":
            await _write(stream, log, int(number), int(count))
        elif role == "reader":
            await _note(stream.read(start).__aiter__(), log)
        else:
            async with stream.group("g", lease_s=LEASE_S, commit_every_s=0.2) as member:
                await _note(member.__aiter__(), log)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
