"""A server that stops answering without closing: as bad as it gets for AMQP."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from anymq.outcome import ACK, STALE, Confirmed, Settlement, Unknown
from tests.unit.rabbitmq.driving import CALL_S, ack, collect, join, message


async def test_calls_end_in_time_and_all_goes_on_afterwards(rig: Any) -> None:
    """Unknown, no cancellation that nobody asked for, stale settlements, then as before."""
    cable = await rig.cable()
    broker = await rig.broker(host="127.0.0.1", port=cable.port, heartbeat_s=1)
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    await broker.send([message()], timeout_s=CALL_S)
    held = await collect(desk, 1)

    cable.silence()
    begin = time.monotonic()
    (result,) = await broker.send([message()], timeout_s=0.5)
    health = await broker.health()

    assert isinstance(result, Unknown)
    assert health.status == "down"
    assert time.monotonic() - begin < 3.0
    (waiting,) = await broker.send([message()], timeout_s=CALL_S)  # until heartbeats are missed
    assert isinstance(waiting, Unknown)
    async with asyncio.timeout(CALL_S):
        while broker._links.consuming.is_up:  # each connection finds out for itself
            await broker.health()
    assert list(await desk.settle([Settlement(held[0], ACK)], timeout_s=0.5)) == [STALE]
    cable.mend()
    cable.cut()
    await rig.until("recovered")
    (again,) = await broker.send([message()], timeout_s=CALL_S)
    assert isinstance(again, Confirmed)
    await ack(desk, await collect(desk, 2))


async def test_a_connection_that_never_lasts_is_not_made_again_at_once(rig: Any) -> None:
    """Each attempt waits longer, and the one that lasts is used."""
    cable = await rig.cable()
    broker = await rig.broker(host="127.0.0.1", port=cable.port)
    await rig.declare(broker, "news", "desk")
    begin = time.monotonic()

    for _ in range(4):
        cable.cut()
        await rig.until("recovered")

    assert time.monotonic() - begin >= 0.8 * (0.2 + 0.4 + 0.8)
    (result,) = await broker.send([message()], timeout_s=CALL_S)
    assert isinstance(result, Confirmed)


async def test_a_close_is_bounded_and_leaves_nothing(rig: Any) -> None:
    """With subscriptions, unsettled deliveries, and publishes stuck in the socket."""
    before = asyncio.all_tasks()
    cable = await rig.cable()
    broker = await rig.broker(host="127.0.0.1", port=cable.port)
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    await join(broker, None)
    await broker.send([message()], timeout_s=CALL_S)
    await collect(desk, 1)
    cable.silence()
    large = [message(body=b"x" * 200_000) for _ in range(50)]
    async with asyncio.TaskGroup() as senders:
        stuck = [senders.create_task(broker.send(large, timeout_s=0.5)) for _ in range(4)]
    assert all(isinstance(result, Unknown) for task in stuck for result in task.result())

    begin = time.monotonic()
    await broker.aclose(timeout_s=2.0)

    assert time.monotonic() - begin < 2.5
    await cable.aclose()
    await asyncio.wait_for(_gone(before), CALL_S)


async def _gone(before: set[asyncio.Task[Any]]) -> None:
    """Wait until only the tasks of before are left, and this one."""
    while others := asyncio.all_tasks() - before - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=0.1)
        if not any("aiormq" in repr(task) or "rabbitmq" in task.get_name() for task in others):
            return
