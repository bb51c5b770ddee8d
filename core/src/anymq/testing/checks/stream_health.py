"""The Stream's health: as it is, in time, whatever happens."""

from __future__ import annotations

import asyncio
from typing import get_args

from anymq.abc import Health, Stream
from anymq.abc.events import HealthStatus
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.outage import outage
from anymq.testing.stream_probe import opened, same, unopened, within

__all__: list[str] = []

HEALTH_S = 2.5
"""``health`` takes at most 2 s."""


async def _health(bench: Bench, stream: Stream) -> Health:
    health = await within(bench, stream.health(), "health", HEALTH_S)
    expect(isinstance(health, Health), f"health gave a {type(health).__name__}")
    expect(health.status in get_args(HealthStatus), f"health says {health.status!r}")
    expect(isinstance(health.detail, str), "the detail of health is no text")
    return health


@check("OBS-01", "health_ready_after_start", family="stream")
async def healthy(bench: Bench) -> None:
    """Up after open, and while records are appended and read."""
    async with opened(bench) as log:
        expect((await _health(bench, log.stream)).status == "up", "not up after open")
        async with asyncio.TaskGroup() as group:
            filling = group.create_task(log.fill(200))
            health = await _health(bench, log.stream)
        expect(health.status == "up", f"{health.status} while records are appended")
        same(filling.result(), await log.read())


@check("OBS-02", "health_unhealthy_when_broker_down", family="stream")
async def down_and_up(bench: Bench) -> None:
    """Down with a reason while the backend is down, and up again by itself when it is back."""
    async with opened(bench) as log:
        async with outage(bench):

            async def is_down() -> bool:
                return (await _health(bench, log.stream)).status == "down"

            await bench.wait_async(is_down, "health to be down", 10)
            detail = (await _health(bench, log.stream)).detail
            expect(detail, "health is down and does not say why")

        async def is_up() -> bool:
            return (await _health(bench, log.stream)).status == "up"

        await bench.wait_async(is_up, "health to be up again", 20)
        sent = await log.fill(3)
        same(sent, await log.read())


@check("OBS-03", "health_check_never_raises", family="stream")
async def never_raises(bench: Bench) -> None:
    """Not before open, not ten at once, not in an outage, not after close."""
    async with unopened(bench) as stream:
        await _health(bench, stream)
        await within(bench, stream.open(bench.events.append), "open", 10)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_health(bench, stream)) for _ in range(10)]
        found = {task.result().status for task in tasks}
        expect(found == {"up"}, f"ten healths at once: {found}")
        async with outage(bench):
            await _health(bench, stream)
        await stream.aclose(timeout_s=5.0)
        for _ in range(2):
            health = await _health(bench, stream)
            expect(health.status == "down", f"health is {health.status} after close")
