"""Scenario 3: a retry after two seconds in one group, which the other group never sees."""

from __future__ import annotations

import asyncio
import time

import pytest

from anymq.abc import Broker, Subscription
from tests.seam.delayed import DELAY_TOPIC, MOVER, move_one, retry_later
from tests.seam.seam import CALL_S, Seam
from tests.seam.traffic import ack, collect, ids, nothing_comes, send

DELAY_S = 2.0


@pytest.mark.exclusive
async def test_a_delayed_retry_is_private_and_never_early(seam: Seam) -> None:
    """One group fails and tries again; the other one has the message once."""
    broker = await seam.open_broker()
    await seam.declare(broker, "news", "desk", "archive")
    await seam.declare(broker, DELAY_TOPIC, MOVER)
    desk = await seam.subscribe(broker, "news", "desk")
    archive = await seam.subscribe(broker, "news", "archive")
    first, last = seam.message("news", 1), seam.message("news", 2)

    async with asyncio.TaskGroup() as helpers:
        if not {"retry", "due_at"} & seam.capabilities.handles:
            helpers.create_task(move_one(seam, broker))
        await send(broker, [first])
        await _fail_once(seam, broker, desk)

    await send(broker, [last])
    seen = await collect(archive, 2, within_s=CALL_S)
    assert ids(seen) == [first.id, last.id]
    assert [delivery.attempt for delivery in seen] == [1, 1]
    await ack(archive, seen)
    await ack(desk, await collect(desk, 1, within_s=CALL_S))
    await nothing_comes(archive, for_s=0.5)
    await nothing_comes(desk, for_s=0.5)


async def _fail_once(seam: Seam, broker: Broker, desk: Subscription) -> None:
    """Take the first message, ask for its retry, and hold the moment and content of the second."""
    (failed,) = await collect(desk, 1, within_s=CALL_S)
    asked_at = time.monotonic()
    await retry_later(seam, broker, desk, failed, DELAY_S)
    (again,) = await collect(desk, 1, within_s=DELAY_S + seam.backend.late_s)
    waited_s = time.monotonic() - asked_at

    assert DELAY_S <= waited_s <= DELAY_S + seam.backend.late_s
    assert (again.id, again.body) == (failed.id, failed.body)
    assert again.headers == failed.headers
    assert (again.attempt, again.group, again.topic) == (2, "desk", "news")
    await ack(desk, [again])
