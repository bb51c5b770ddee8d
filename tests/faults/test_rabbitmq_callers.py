"""Callers on RabbitMQ that give up, and processes that fork (FAULTS F08, F12, F13, F15)."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from anymq.outcome import CONFIRMED
from tests.faults.rabbitmq_stage import rig_on
from tests.unit.rabbitmq.conftest import Rig
from tests.unit.rabbitmq.driving import CALL_S, ack, collect, join, message

pytestmark = pytest.mark.server("rabbitmq")

TIMES = 200
QUIET_S = 0.3


@pytest.fixture
async def rig(rabbitmq_url: str) -> AsyncIterator[Rig]:
    """Drivers in a namespace of their own."""
    async with rig_on(rabbitmq_url) as rig:
        yield rig


async def test_f12_cancelled_sends_harm_no_other(rig: Rig) -> None:
    """Cancelled at 0 to 0.3 ms: each is stored once or not at all, and the next is confirmed."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    cancelled: set[str] = set()
    confirmed: set[str] = set()
    async with asyncio.TaskGroup() as group:
        for number in range(TIMES):
            sent = message(body=b"x" * (300_000 if number % 50 == 0 else 10))
            sending = group.create_task(broker.send([sent], timeout_s=CALL_S))
            await asyncio.sleep(0.0001 * (number % 4))  # the moment of the fault
            sending.cancel()
            await asyncio.wait([sending], timeout=CALL_S)
            (cancelled if sending.cancelled() else confirmed).add(sent.id)
    assert cancelled
    last = message(body=b"last")
    assert list(await broker.send([last], timeout_s=CALL_S)) == [CONFIRMED]

    desk = await join(broker, "desk", prefetch=2 * TIMES)
    seen: Counter[str] = Counter()
    while last.id not in seen:
        deliveries = await collect(desk, 1)
        seen.update(delivery.id for delivery in deliveries)
        await ack(desk, deliveries)
    assert not await desk.receive(max_messages=10, wait_s=QUIET_S)
    assert confirmed <= seen.keys() <= confirmed | cancelled | {last.id}
    assert set(seen.values()) == {1}


async def test_f13_cancelled_receives_lose_nothing(rig: Rig) -> None:
    """A receive that is cancelled at any moment leaves what it would have returned."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk", prefetch=10)
    sent = [message(body=b"%d" % number) for number in range(TIMES)]
    seen: list[bytes] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(broker.send(sent, timeout_s=CALL_S))
        async with asyncio.timeout(3 * CALL_S):
            turn = 0
            while len(seen) < TIMES:
                turn += 1
                receiving = group.create_task(desk.receive(max_messages=3, wait_s=CALL_S))
                if turn % 2:
                    await asyncio.sleep(0.0005 * (turn % 7))  # the moment of the fault
                    receiving.cancel()
                await asyncio.wait([receiving])
                if receiving.cancelled():
                    continue
                deliveries = receiving.result()
                seen += [delivery.body for delivery in deliveries]
                await ack(desk, deliveries)
    assert seen == [m.body for m in sent]


async def test_f15_a_forked_child_does_not_disturb_the_parent(rig: Rig) -> None:
    """The child ends without a word on the shared socket; the parent goes on."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    await broker.send([message()], timeout_s=CALL_S)
    held = await collect(desk, 1)

    child = os.fork()
    if child == 0:
        os._exit(0)
    assert await asyncio.to_thread(os.waitpid, child, 0) == (child, 0)

    await ack(desk, held)
    assert list(await broker.send([message()], timeout_s=CALL_S)) == [CONFIRMED]
    await ack(desk, await collect(desk, 1))
    assert (await broker.health()).status == "up"


async def test_f08_a_member_that_stops_gives_back_what_it_did_not_begin(rig: Rig) -> None:
    """At once, to the other member; what it was handling it still settles."""
    broker, other = await rig.broker(), await rig.broker()
    await rig.declare(broker, "news", "desk")
    goes = await join(broker, "desk", prefetch=20)
    await broker.send([message(body=b"%d" % n) for n in range(20)], timeout_s=CALL_S)
    handling = await collect(goes, 3)
    stays = await join(other, "desk", prefetch=20)

    await goes.stop()
    rest = await collect(stays, 17)
    await ack(goes, handling)
    await goes.aclose(timeout_s=CALL_S)

    assert {d.body for d in (*handling, *rest)} == {b"%d" % n for n in range(20)}
    await ack(stays, rest)
    assert not await stays.receive(max_messages=10, wait_s=QUIET_S)
