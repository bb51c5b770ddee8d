"""A message that runs alone gives way when it is no longer ours."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq import App, Delivery, Message
from anymq.portable.crash_guard import ALONE


async def test_others_go_on_when_the_lone_delivery_is_lost() -> None:
    """Its lease ran out while its handler was running: the consumer takes other messages again."""
    app = App("memory://lone-lost")
    topic = app.topic("t")
    started: asyncio.Queue[Delivery] = asyncio.Queue(10)

    @app.subscriber(topic, group="g", name="c")
    async def handle(body: Any, delivery: Delivery) -> None:
        await started.put(delivery)
        if ALONE in delivery.message.meta and started.qsize() == 1:
            await asyncio.Event().wait()

    async with app, asyncio.timeout(5):
        broker = app._lifecycle.engine.broker
        lone = Message(topic, b"1", "lone", 0.0, group="g", lane="retry", meta={ALONE: "1"})
        await broker.send([lone], timeout_s=1)
        delivery = await started.get()
        app.consumers["c"]._lost([delivery])

        await app.publish(topic, 2)

        assert (await started.get()).body == b"2"
        await app.close(grace_s=0)
