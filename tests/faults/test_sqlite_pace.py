"""The SQLite backend's pace: waking other processes, idling, a large backlog, two consumers."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from anymq.abc import BackendContext
from anymq.message import Message
from anymq.outcome import ACK, Settlement
from anymq.support.clock import SystemClock
from anymq.support.ids import new_id
from anymq.topology import GroupSpec, Source, TopicSpec, Topology, TopologyMode
from anymq_sqlite.broker import SqliteBroker
from anymq_sqlite.options import SqliteOptions

ROOT = Path(__file__).parents[2]
LIMIT_S = 30.0
pytestmark = [pytest.mark.exclusive, pytest.mark.long, pytest.mark.timeout(300)]


async def test_another_process_is_woken_soon(tmp_path: Path) -> None:
    """p99 at most 50 ms idle, and 150 ms while a third process publishes all the time."""
    async with _broker(tmp_path) as broker, _consumer(tmp_path, "late") as process:
        idle = [await _once(broker, process, pause_s=0.03) for _ in range(300)]
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group, _broker(tmp_path, topic="other") as other:
            group.create_task(_load(other, stop))
            busy = [await _once(broker, process, pause_s=0.01) for _ in range(300)]
            stop.set()

    print(
        f"wake-up: p50 {_ms(idle, 50)}, p99 {_ms(idle, 99)}; load: {_ms(busy, 50)}, {_ms(busy, 99)}"
    )
    assert statistics.quantiles(idle, n=100)[98] <= 0.050
    assert statistics.quantiles(busy, n=100)[98] <= 0.150


async def test_waiting_costs_next_to_nothing(tmp_path: Path) -> None:
    """An idle consumer's process: under 1 % of a core."""
    async with _broker(tmp_path), _consumer(tmp_path, "late") as process:
        await asyncio.sleep(1.0)  # its start is not measured
        before, began = _cpu_s(process.pid), time.monotonic()
        await asyncio.sleep(6.0)  # the time that is measured
        share = (_cpu_s(process.pid) - before) / (time.monotonic() - began)

    print(f"idle: {100 * share:.2f} % of a core")
    assert share < 0.01


async def test_a_large_backlog_costs_no_more(tmp_path: Path) -> None:
    """Cost per message with 1,000,000 waiting at most 1.3 times that with 1,000."""
    folders = {1000: tmp_path / "small", 1_000_000: tmp_path / "large"}
    costs: dict[int, list[float]] = {count: [] for count in folders}
    for count, folder in folders.items():
        folder.mkdir()
        async with _broker(folder) as broker:
            await _fill(broker, count)
    for _ in range(5):
        for count, folder in folders.items():
            async with _broker(folder) as broker:
                costs[count].append(await _turnover(broker))
    small, large = (statistics.median(costs[count]) for count in folders)

    print(f"per message: {small * 1e6:.1f} us at 1,000, {large * 1e6:.1f} us at 1,000,000")
    assert large <= 1.3 * small


async def test_two_consumers_are_not_slower_than_one(tmp_path: Path) -> None:
    """20,000 messages, in processes of their own."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(3):
        for number, seen in rates.items():
            folder = tmp_path / f"{number}-{turn}"
            folder.mkdir()
            seen.append(await _drain(folder, number, 20_000))
    one, two = (statistics.median(seen) for seen in rates.values())

    print(f"drain: one {one:,.0f}/s, two {two:,.0f}/s")
    assert two >= one * 0.95  # what the machine's noise is


async def _drain(folder: Path, consumers: int, count: int) -> float:
    async with _broker(folder) as broker:
        await _fill(broker, count)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_counted(folder)) for _ in range(consumers)]
    found = [task.result() for task in tasks]
    assert sum(handled for handled, _, _ in found) == count
    return count / (max(last for _, _, last in found) - min(first for _, first, _ in found))


async def _counted(folder: Path) -> tuple[int, float, float]:
    async with _consumer(folder, "count") as process:
        handled, first, last = (await _line(process)).split()
        return int(handled), float(first), float(last)


async def _turnover(broker: SqliteBroker, batches: int = 10, size: int = 500) -> float:
    """Seconds per message of claiming, settling and sending as many."""
    subscription = await broker.subscribe(
        Source(("t",), "g"), prefetch=size, on_lost=lambda _lost: None
    )
    began = time.perf_counter()
    for _ in range(batches):
        taken = await subscription.receive(max_messages=size, wait_s=5)
        assert len(taken) == size
        await subscription.settle([Settlement(d, ACK) for d in taken], timeout_s=10)
        await broker.send(_messages(size), timeout_s=10)
    return (time.perf_counter() - began) / (batches * size)


async def _fill(broker: SqliteBroker, count: int) -> None:
    for begin in range(0, count, 1000):
        await broker.send(_messages(min(1000, count - begin)), timeout_s=20)


def _messages(count: int, topic: str = "t") -> list[Message]:
    body = json.dumps(time.monotonic()).encode()
    return [Message(topic, body, new_id(), time.time()) for _ in range(count)]


async def _once(broker: SqliteBroker, process: Process, *, pause_s: float) -> float:
    """Send one, and hear how late it was; then a pause, so that the other waits again."""
    await broker.send(_messages(1), timeout_s=5)
    late_s = float(await _line(process))
    await asyncio.sleep(pause_s)
    return late_s


async def _load(broker: SqliteBroker, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await broker.send(_messages(50, "other"), timeout_s=10)
        await asyncio.sleep(0.005)


@asynccontextmanager
async def _broker(folder: Path, topic: str = "t") -> AsyncIterator[SqliteBroker]:
    options = SqliteOptions(path=str(folder / "pace.db"))
    broker = SqliteBroker(options, BackendContext(SystemClock()))
    await broker.open(lambda _event: None)
    topology = Topology((TopicSpec(topic),), (GroupSpec(topic, "g"),))
    await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=5)
    try:
        yield broker
    finally:
        await broker.aclose(timeout_s=10)


@asynccontextmanager
async def _consumer(folder: Path, what: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.sqlite_pace_process", str(folder / "pace.db"), what),
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        assert await _line(process) == "ready"
        yield process
    finally:
        async with asyncio.timeout(LIMIT_S):
            await process.communicate(b"")


async def _line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        return (await process.stdout.readline()).decode().strip()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ms(seen: list[float], percent: int) -> str:
    return f"{1000 * statistics.quantiles(seen, n=100)[percent - 1]:.1f} ms"
