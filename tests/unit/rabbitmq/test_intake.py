"""A consuming channel while it is being begun: what happens in between is not overlooked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from anymq_rabbitmq.data_channel import DataChannel
from anymq_rabbitmq.intake import Intake
from tests.unit.rabbitmq.driving import CALL_S


class Beginner:
    """Begins to consume a queue of its own, and waits at a gate with the tags in hand."""

    def __init__(self) -> None:
        self.queue = f"unit-{uuid4().hex[:8]}"
        self.begun = 0
        self.gate = asyncio.Event()
        self.is_at_gate = asyncio.Event()
        self.intake: Intake | None = None

    async def consume(self, channel: DataChannel) -> Sequence[str]:
        """Make sure of the queue, consume if that is wanted; wait."""
        await channel.client.queue_declare(self.queue, exclusive=True)
        assert self.intake is not None
        tags = [await channel.consume(self.queue)] if self.intake.is_consuming else []
        self.begun += 1
        self.is_at_gate.set()
        await self.gate.wait()
        return tags

    async def until_begun(self, count: int) -> None:
        """Wait until it has begun so often, and the channel is there."""
        assert self.intake is not None
        async with asyncio.timeout(CALL_S):
            while self.begun < count or self.intake.channel is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # between two looks at what has no event

    async def consumers(self, link: Any) -> int:
        """How many the server counts."""
        channel = await link.data_channel(timeout_s=CALL_S)
        found = await channel.client.queue_declare(self.queue, passive=True)
        await channel.close()
        return int(found.consumer_count)


@asynccontextmanager
async def opening(rig: Any, *, is_consuming: bool) -> AsyncIterator[tuple[Beginner, Intake, Any]]:
    """An intake that is being opened and waits at the gate."""
    link, beginner = (await rig.broker())._links.consuming, Beginner()

    async def repair() -> bool:
        return True

    intake = beginner.intake = Intake(
        link,
        beginner.consume,
        on_gone=lambda: None,
        repair=repair,
        timeout_s=CALL_S,
        is_consuming=is_consuming,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(intake.open())
        await beginner.is_at_gate.wait()
        yield beginner, intake, link
        beginner.gate.set()
        await task
    await intake.aclose()


async def test_a_consumer_cancelled_by_the_server_while_it_begins(rig: Any) -> None:
    """As after a restart, before the queue has settled down: it begins again."""
    async with opening(rig, is_consuming=True) as (beginner, _intake, link):
        other = await link.data_channel(timeout_s=CALL_S)
        await other.client.queue_delete(beginner.queue)
        await other.close()
        beginner.gate.set()
        await beginner.until_begun(2)
        assert await beginner.consumers(link) == 1


async def test_one_that_is_told_to_go_on_while_it_begins(rig: Any) -> None:
    """It consumes in the end, although it began without a consumer."""
    async with opening(rig, is_consuming=False) as (beginner, intake, link):
        assert await beginner.consumers(link) == 0
        await intake.go_on()
        beginner.gate.set()
        await beginner.until_begun(2)
        assert await beginner.consumers(link) == 1
        assert intake.has_consumers


async def test_one_that_is_told_to_halt_while_it_begins(rig: Any) -> None:
    """Nothing is consumed in the end, so that nothing is sent to and fro for ever."""
    async with opening(rig, is_consuming=True) as (beginner, intake, link):
        await intake.halt()
        beginner.gate.set()
        await beginner.until_begun(2)
        assert await beginner.consumers(link) == 0
        assert not intake.has_consumers
