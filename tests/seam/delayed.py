"""A delayed retry as core asks for it: from the backend where it can, else by a delay topic."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from anymq.abc import Broker, Subscription
from anymq.message import Delivery, Message
from anymq.outcome import SETTLED, Retry, Settlement
from tests.seam.seam import CALL_S, Seam
from tests.seam.traffic import ack, collect, send

__all__ = ["DELAY_TOPIC", "MOVER", "move_one", "retry_later"]

DELAY_TOPIC = "seam-delay"
MOVER = "mover"
CLOCKS_S = 0.005
"""By how much the loop's clock and the wall clock may differ over a few seconds."""


async def retry_later(
    seam: Seam, broker: Broker, subscription: Subscription, delivery: Delivery, delay_s: float
) -> None:
    """Let a delivery come again to its group alone, one attempt later, not before the delay."""
    handles = seam.capabilities.handles
    copy = replace(
        delivery.message,
        group=delivery.group,
        lane="retry",
        attempt=delivery.attempt + 1,
        due_at=time.time() + delay_s if {"retry", "due_at"} & handles else None,
    )
    if "retry" in handles:
        item = Settlement(delivery, Retry(delay_s), message=copy)
        assert list(await subscription.settle([item], timeout_s=CALL_S)) == [SETTLED]
        return
    await send(broker, [copy if "due_at" in handles else _by_way(copy, time.time() + delay_s)])
    await ack(subscription, [delivery])


async def move_one(seam: Seam, broker: Broker) -> None:
    """Hold one message of the delay topic until it is due, then send it where it belongs."""
    subscription = await seam.subscribe(broker, DELAY_TOPIC, MOVER, prefetch=1)
    (held,) = await collect(subscription, 1, within_s=2 * CALL_S)
    meta = dict(held.message.meta)
    due_at = float(meta.pop("anymq-seam-due"))
    topic, group = meta.pop("anymq-seam-topic"), meta.pop("anymq-seam-group")
    await asyncio.sleep(max(0.0, due_at - time.time()) + CLOCKS_S)
    back = replace(held.message, topic=topic, group=group, lane="retry", partition=0, meta=meta)
    await send(broker, [back])
    await ack(subscription, [held])


def _by_way(copy: Message, due_at: float) -> Message:
    """The copy, addressed to the delay topic, with its way home in headers that travel unread."""
    home = {
        "anymq-seam-topic": copy.topic,
        "anymq-seam-group": str(copy.group),
        "anymq-seam-due": repr(due_at),
    }
    return replace(
        copy, topic=DELAY_TOPIC, group=None, lane="main", partition=0, meta={**copy.meta, **home}
    )
