"""Waking other processes, and going without."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from anymq_sqlite.bell import Bell
from tests.unit.sqlite.bench import CALL_S, Bench


async def test_bells(tmp_path: Path) -> None:
    """One rings the other; what a killed process left is removed; the last takes the folder."""
    one, two, killed = (Bell(str(tmp_path / "x.db")) for _ in range(3))
    for bell in (one, two, killed):
        bell.open()
    assert killed.socket is not None
    killed.socket.close()  # as the system does for a killed process: the name stays

    one.ring()
    assert two.socket is not None
    heard = two.socket.recv(16)
    names = os.listdir(tmp_path / "x.db.wake")
    for bell in (one, two):
        bell.close()
        bell.ring()

    assert (heard, len(names)) == (b"!", 2)
    assert not (tmp_path / "x.db.wake").exists()


async def test_a_bell_that_nobody_hears_stops_nobody(tmp_path: Path) -> None:
    """Rung more often than its socket holds, and after it has gone; then it is heard again."""
    one, deaf = (Bell(str(tmp_path / "x.db")) for _ in range(2))
    for bell in (one, deaf):
        bell.open()
    for _ in range(2000):
        one.ring()
    deaf.hear()
    assert deaf.socket is not None
    with pytest.raises(BlockingIOError):
        deaf.socket.recv(16)
    one.ring()
    heard = deaf.socket.recv(16)
    deaf.close()
    deaf.hear()
    one.ring()
    one.close()

    assert heard == b"!"


async def test_without_a_bell_others_are_seen_anyway(bench: Bench, file: Path) -> None:
    """The folder cannot be made: looking at the file every 25 ms is enough."""
    with open(f"{file}.wake", "w"):  # noqa: ASYNC230 - instant
        pass
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)

    async with asyncio.TaskGroup() as group:
        receiving = group.create_task(subscription.receive(max_messages=1, wait_s=CALL_S))
        await asyncio.sleep(0.1)  # so that it waits already
        began = time.monotonic()
        bench.query("INSERT INTO publish (topic, body) VALUES ('t', 'x')")
        await receiving

    assert time.monotonic() - began < 0.5
