"""Consumers that die with deliveries in flight: a killed process, or what memory has for one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from anymq.abc import Broker
from anymq.memory.subscription import MemorySubscription
from tests.seam.seam import CALL_S, Seam
from tests.seam.traffic import collect, ids, keep_up

__all__ = ["Victim", "victim"]

ROOT = Path(__file__).parents[2]
START_S = 40.0
"""Python's start, a connection, and Kafka's first assignment, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A consumer that holds deliveries."""

    holds: list[str]
    die: Callable[[], Awaitable[None]]


def victim(
    seam: Seam, broker: Broker, topic: str, group: str, count: int
) -> AbstractAsyncContextManager[Victim]:
    """A consumer of ``group`` with ``count`` deliveries in flight, in a process where possible."""
    if seam.backend.module == "anymq.memory":
        return _in_process(seam, broker, topic, group, count)
    return _process(seam, topic, group, count)


@asynccontextmanager
async def _in_process(
    seam: Seam, broker: Broker, topic: str, group: str, count: int
) -> AsyncIterator[Victim]:
    subscription = await seam.subscribe(broker, topic, group, prefetch=count)
    assert isinstance(subscription, MemorySubscription)
    held = await collect(subscription, count, within_s=CALL_S)

    async with asyncio.TaskGroup() as handlers:
        keeping = handlers.create_task(keep_up(subscription, held, seam.capabilities.lease_s))

        async def die() -> None:
            keeping.cancel()
            subscription.abandon()

        yield Victim(ids(held), die)
        keeping.cancel()


@asynccontextmanager
async def _process(seam: Seam, topic: str, group: str, count: int) -> AsyncIterator[Victim]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.seam.consumer_process", seam.backend.name, seam.url),
        *(seam.namespace, topic, group, str(count), json.dumps(seam.backend.crash_options)),
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
        assert line, "the consumer process ended without holding anything"

        yield Victim(json.loads(line), lambda: _kill(process))
    finally:
        await _kill(process)


async def _kill(process: Process) -> None:
    """SIGKILL by process id, unless it is dead already; gone when this returns."""
    if process.returncode is None:
        os.kill(process.pid, signal.SIGKILL)
    async with asyncio.timeout(CALL_S):
        await process.communicate()
