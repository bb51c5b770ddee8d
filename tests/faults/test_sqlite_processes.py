"""Processes on one SQLite file that are killed or stopped at the worst moment, by fault."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from anymq import App, Delivery
from tests.faults.sqlite_stage import (
    LIMIT_S,
    integrity,
    is_locked,
    noted,
    stop_while_writing,
    stored,
    until,
    victim,
)
from tests.faults.sqlite_victim import BATCH, effects

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


async def test_the_process_that_writes_is_killed(file: Path, log: Path) -> None:
    """F01: SIGKILL while it holds the lock, again after two seconds: I1, and the file is whole."""
    for pause_s in (0.0, 2.0):
        before = len(noted(log, "e"))
        async with victim("both", file, log) as process:
            await until(lambda: len(noted(log, "e")) >= before + 20)  # noqa: B023 - at once
            await stop_while_writing(process, file)
            process.kill()
            await process.wait()
            assert not is_locked(file)
        assert integrity(file) == "ok"
        await asyncio.sleep(pause_s)  # the fault's length

    confirmed = _ids(noted(log, "c"))
    tried = _ids(noted(log, "t"))
    async with _consuming(file) as rest:
        await until(lambda: confirmed <= {*rest, *effects(log)})
    assert len(confirmed) >= 2 * BATCH
    assert {*rest, *effects(log)} <= tried


@pytest.mark.exclusive
async def test_a_consumer_is_killed_in_its_handler(file: Path, log: Path) -> None:
    """F06: another has it within a second, long before the lease ends, as delivery 2."""
    async with victim("consumer", file, log) as process:
        await _publish(file, 1)
        await until(lambda: len(noted(log, "h")) == 1)
        process.kill()
        await process.wait()
        began = time.monotonic()
        async with _consuming(file) as taken:
            await until(lambda: bool(taken))
            took_s = time.monotonic() - began

    assert noted(log, "h") == ["m-0 1 0"]
    assert noted(log, "e") == []
    assert [(d.delivery_count, d.redelivered) for d in taken.values()] == [(2, True)]
    assert took_s < 1.0


@needs_strace
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
async def test_a_publisher_is_killed_before_it_is_told(file: Path, log: Path, call: str) -> None:
    """F07: in the middle of writing, and written but not confirmed: whole, or not there at all.

    What it sends again with the same ids after its restart is there: nothing lost, none half.
    """
    async with _consuming(file):
        pass  # the file is made, and the group declared
    for number in (25, 34):
        when = f"inject={call}:signal=KILL:when={number}"
        strace = ("strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", when)
        async with victim("publisher", file, log, before=strace) as process:
            async with asyncio.timeout(LIMIT_S):
                await process.wait()
        there = stored(file)
        confirmed, tried = _ids(noted(log, "c")), _ids(noted(log, "t"))
        assert integrity(file) == "ok"
        assert confirmed <= there <= tried
        assert len(there) % BATCH == 0

    done = len(noted(log, "c"))
    async with victim("publisher", file, log):
        await until(lambda: len(noted(log, "c")) > done)
    assert _ids(noted(log, "t")[: done + 1]) <= stored(file)


async def test_a_consumer_is_stopped_for_longer_than_its_lease(file: Path, log: Path) -> None:
    """F09: it goes on to find its settlement lost, and is told; handled twice, the effect once."""
    async with victim("consumer", file, log, query="?lease_s=0.5") as process:
        await _publish(file, 1)
        await until(lambda: len(noted(log, "h")) == 1)
        while True:  # not while it gives its sign of life: that is the next test
            process.send_signal(signal.SIGSTOP)
            if not is_locked(file):
                break
            process.send_signal(signal.SIGCONT)
        async with victim("consumer", file, log.with_name("other"), query="?lease_s=0.5") as other:
            await until(lambda: len(noted(log.with_name("other"), "h")) == 1)
            await _go_on(process)
            process.send_signal(signal.SIGCONT)
            await until(lambda: len(noted(log, "l")) == 1)
            await _go_on(other)
            await until(lambda: len(noted(log.with_name("other"), "e")) == 1)
            await until(lambda: not stored(file))

    assert noted(log, "l") == ["m-0"]
    assert noted(log.with_name("other"), "h") == ["m-0 2 1"]
    assert noted(log.with_name("other"), "l") == []
    assert effects(log) == ["m-0"]


def _ids(batches: list[str]) -> set[str]:
    return {f"m-{int(batch) * BATCH + part}" for batch in batches for part in range(BATCH)}


async def _go_on(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    await process.stdin.drain()


async def _publish(file: Path, count: int) -> None:
    app = App(f"sqlite:///{file}")
    app.topic("numbers")
    async with app:
        for number in range(count):
            await app.publish("numbers", number, message_id=f"m-{number}")


@asynccontextmanager
async def _consuming(file: Path) -> AsyncIterator[dict[str, Delivery]]:
    """A consumer in this process; what it had, by id."""
    app = App(f"sqlite:///{file}")
    app.topic("numbers")
    taken: dict[str, Delivery] = {}

    @app.subscriber("numbers", group="readers", concurrency=4)
    async def handle(number: int, delivery: Delivery) -> None:
        taken[delivery.id] = delivery

    async with app:
        yield taken
