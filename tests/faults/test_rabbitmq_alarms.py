"""A RabbitMQ server that cannot go on as it would (FAULTS F10, F31, F32, F34, F37)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from anymq.outcome import CONFIRMED, Confirmed, Rejected, Unknown
from tests.faults.proxied import Proxied
from tests.faults.rabbitmq_stage import CALL_S, ctl, own_server, rig_on
from tests.unit.rabbitmq.conftest import Rig
from tests.unit.rabbitmq.driving import ack, collect, join, message

__all__ = ["own_server"]

pytestmark = [pytest.mark.long, pytest.mark.exclusive, pytest.mark.server("rabbitmq")]

ALARMS = {
    "memory": (("set_vm_memory_high_watermark", "absolute", "1MB"), "0.4"),
    "disk": (("set_disk_free_limit", "900GB"), "50MB"),
}


@pytest.fixture
async def rig(own_server: Proxied) -> AsyncIterator[Rig]:
    """Drivers on the server."""
    async with rig_on(own_server.direct_url) as rig:
        yield rig


async def _ctl(server: Proxied, *arguments: str) -> str:
    return await asyncio.to_thread(ctl, server, *arguments)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("alarm", ["memory", "disk"])
async def test_f31_f32_an_alarm_stops_publishers_only(
    own_server: Proxied, rig: Rig, alarm: str
) -> None:
    """A publish is unknown in time, acks go through, health says so; later it all arrives."""
    set_it, normal = ALARMS[alarm]
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    before = message(body=b"before")
    assert list(await broker.send([before], timeout_s=CALL_S)) == [CONFIRMED]
    held = await collect(desk, 1)
    try:
        await _ctl(own_server, *set_it)
        during = message(body=b"during")
        result: object = CONFIRMED
        begin = time.monotonic()
        async with asyncio.timeout(3 * CALL_S):  # the disk is looked at every ten seconds
            while isinstance(result, Confirmed):
                begin = time.monotonic()
                (result,) = await broker.send([during], timeout_s=1.0)
        assert isinstance(result, Unknown)
        assert time.monotonic() - begin < 1.6
        assert (await broker.health()).status == "degraded"
        await ack(desk, held)
    finally:
        await _ctl(own_server, set_it[0], normal)
    (again,) = await broker.send([during], timeout_s=2 * CALL_S)
    assert isinstance(again, Confirmed)
    seen = {delivery.id for delivery in await collect(desk, 1)}
    assert seen == {during.id}


@pytest.mark.timeout(120)
async def test_f10_a_handler_beyond_the_consumer_timeout(own_server: Proxied, rig: Rig) -> None:
    """The server ends the channel: the delivery is lost and comes again; others go on."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    lost: list[str] = []
    desk = await join(broker, "desk", on_lost=lambda gone: lost.extend(d.id for d in gone))
    short = "application:set_env(rabbit, consumer_timeout, 2000),"
    short += "application:set_env(rabbit, channel_tick_interval, 500)."
    usual = "application:set_env(rabbit, consumer_timeout, 1800000),"
    usual += "application:set_env(rabbit, channel_tick_interval, 60000)."
    try:
        await _ctl(own_server, "eval", short)
        late = await join(await rig.broker(), "desk", on_lost=lambda _gone: None)
        await desk.aclose(timeout_s=CALL_S)  # its channel was opened before the limit
        await broker.send([message(body=b"slow")], timeout_s=CALL_S)
        (first,) = await collect(late, 1)
        (again,) = await collect(late, 1)
        assert (again.id, again.redelivered) == (first.id, True)
        await ack(late, [again])
    finally:
        await _ctl(own_server, "eval", usual)


@pytest.mark.timeout(120)
async def test_f34_a_queue_deleted_under_its_consumer(own_server: Proxied, rig: Rig) -> None:
    """It is declared again, told as degraded, and both ends go on."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    assert not await desk.receive(max_messages=1, wait_s=0.2)

    await _ctl(own_server, "delete_queue", f"{rig.context.namespace}.news.desk")
    await rig.until("degraded")

    sent = message()
    (result,) = await broker.send([sent], timeout_s=CALL_S)
    assert isinstance(result, Confirmed)
    (came,) = await collect(desk, 1)
    assert came.id == sent.id
    await ack(desk, [came])


@pytest.mark.timeout(120)
async def test_f37_a_full_queue_refuses(own_server: Proxied, rig: Rig) -> None:
    """By a policy of the operator: Rejected, not lost in silence; room makes it go on."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    pattern = f"^{rig.context.namespace}\\.news\\.desk$"
    limit = '{"max-length": 5, "overflow": "reject-publish"}'
    await _ctl(own_server, "set_policy", "full", pattern, limit, "--apply-to", "queues")
    try:
        refused: list[Rejected] = []
        sent = 0
        async with asyncio.timeout(CALL_S):
            while not refused:
                results = await broker.send([message() for _ in range(5)], timeout_s=CALL_S)
                refused = [result for result in results if isinstance(result, Rejected)]
                sent += sum(isinstance(result, Confirmed) for result in results)
        assert {result.code for result in refused} == {"full"}
        desk = await join(broker, "desk")
        await ack(desk, await collect(desk, sent))
        (result,) = await broker.send([message()], timeout_s=CALL_S)
        assert isinstance(result, Confirmed)
    finally:
        await _ctl(own_server, "clear_policy", "full")
