"""Another process has the lock of the SQLite file, for long, or stands still with it."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from anymq import App, PublishUnknown
from anymq.abc import BackendEvent
from tests.faults.sqlite_stage import LIMIT_S, noted, stop_while_writing, until, victim


@dataclass
class Site:
    """An application with a subscriber: what came, and what was told of the backend."""

    app: App
    values: list[int] = field(default_factory=list)
    told: list[BackendEvent] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.told]


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


@pytest.mark.exclusive
async def test_a_lock_of_three_seconds_only_delays(file: Path) -> None:
    """F33: what is published meanwhile is confirmed, nothing is told as lost, health is up."""
    async with _site(file) as site:
        async with asyncio.TaskGroup() as group, _holder(file):
            publishing = group.create_task(site.app.publish("t", 2))
            await asyncio.sleep(3.0)  # the fault's length
            assert not publishing.done()
            ended_at = time.monotonic()
        await until(lambda: site.values == [2])

        assert (await site.app.health()).status == "up"
        assert site.told == []
        assert time.monotonic() - ended_at < 2.0


@pytest.mark.exclusive
@pytest.mark.long
async def test_a_lock_of_ten_seconds_is_told_at_the_limit(file: Path) -> None:
    """F46: after five seconds a send is unknown, as busy, and retried; then all works again.

    I2: who gives less time than the fault lasts gets PublishUnknown in time, who gives more gets
    it confirmed.
    """
    async with _site(file) as site:
        async with asyncio.TaskGroup() as group, _holder(file):
            patient = group.create_task(site.app.publish("t", 2, timeout_s=20))
            await asyncio.sleep(0.05)  # so that the two do not share a send
            began = time.monotonic()
            with pytest.raises(PublishUnknown, match="m-3"):
                await site.app.publish("t", 3, timeout_s=7, message_id="m-3")
            assert 5.0 <= time.monotonic() - began <= 7.5
            health = await site.app.health()
            assert (health.status, health.live) == ("down", True)
            await asyncio.sleep(10.0 - (time.monotonic() - began))  # the fault's length
            assert not patient.done()
        await until(lambda: 2 in site.values and "recovered" in site.kinds)

        assert (await site.app.health()).status == "up"
        assert site.kinds == ["lost", "recovered"]
        assert "is busy: another process" in site.told[0].detail
        assert "locked" not in site.told[0].detail


async def test_a_process_stops_in_the_middle_of_writing(file: Path, tmp_path: Path) -> None:
    """F09: others wait for it, are told that the file is busy, and go on once it does; so does it.

    Nothing that either of them confirmed is lost.
    """
    log = tmp_path / "log"
    async with (
        _site(file, query="?busy_timeout_s=0.5&lease_s=0.5", topic="numbers") as site,
        victim("publisher", file, log, query="?lease_s=0.5") as process,
    ):
        await stop_while_writing(process, file)
        with pytest.raises(PublishUnknown, match="is busy"):
            await site.app.publish("numbers", -1, timeout_s=1.0, message_id="m-again")
        assert not (await site.app.health()).ready
        process.send_signal(signal.SIGCONT)
        await site.app.publish("numbers", -1, timeout_s=10.0, message_id="m-again")
        done = len(noted(log, "c"))
        await until(lambda: len(noted(log, "c")) > done + 3)
        process.kill()
        await process.wait()
        confirmed = 5 * len(noted(log, "c"))
        await until(lambda: {-1, *range(confirmed)} <= set(site.values))

        assert (await site.app.health()).ready


@asynccontextmanager
async def _site(file: Path, *, query: str = "", topic: str = "t") -> AsyncIterator[Site]:
    site = Site(App(f"sqlite:///{file}{query}"))
    site.app.topic(topic)

    @site.app.subscriber(topic, group="readers", concurrency=4)
    async def handle(number: int) -> None:
        site.values.append(number)

    async with site.app:
        site.app.on_event(lambda event: _hear(site, event))
        yield site


def _hear(site: Site, event: object) -> None:
    if isinstance(event, BackendEvent) and event.kind != "connected":
        site.told.append(event)


@asynccontextmanager
async def _holder(file: Path) -> AsyncIterator[Process]:
    """A process that has the lock, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD, str(file)), stdin=PIPE, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            assert await process.stdout.readline() == b"held\n"
        yield process
    finally:
        async with asyncio.timeout(LIMIT_S):
            await process.communicate(b"\n")
