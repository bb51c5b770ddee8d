"""Connections to RabbitMQ that break in every way (FAULTS F02, F17 to F19, F21, F23 to F27)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxied import Proxied
from tests.faults.rabbitmq_stage import PREFETCH, Flow, own_server, rig_on
from tests.unit.rabbitmq.conftest import Rig

__all__ = ["own_server"]

pytestmark = [pytest.mark.long, pytest.mark.exclusive, pytest.mark.server("rabbitmq")]

WINDOW = 1
"""Each publisher waits for its one message."""


@pytest.fixture
async def rig(own_server: Proxied) -> AsyncIterator[Rig]:
    """Drivers that reach the server through its proxy."""
    async with rig_on(own_server.url) as rig:
        yield rig


async def _control(server: Proxied, *verbs: str) -> None:
    for verb in verbs:
        await asyncio.to_thread(server.call, "control", "rabbitmq", *verb.split())


async def _flow(rig: Rig) -> Flow:
    broker, other = await rig.broker(heartbeat_s=2), await rig.broker(heartbeat_s=2)
    await rig.declare(broker, "news", "desk")
    return Flow(broker, other)


def _judge(flow: Flow, faults: int) -> None:
    """Nothing confirmed is lost, nothing was refused, duplicates are bounded."""
    assert not flow.confirmed - flow.seen.keys()
    assert not flow.rejected
    extras = sum(flow.seen.values()) - len(flow.seen)
    # Both links of both brokers break at each fault, and a repeated publish is one more fault.
    assert extras <= 2 * faults * (2 * PREFETCH + 2 * WINDOW * 20)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("verbs", "lasts_s"),
    [
        pytest.param(("cut",), 0.5, id="F17-reset"),
        pytest.param(("blackhole",), 12.0, id="F19-blackhole"),
        pytest.param(("drop-replies",), 5.0, id="F21-F26-replies-lost"),
        pytest.param(("delay 0.3",), 5.0, id="F23-slow"),
        pytest.param(("throttle 8000",), 5.0, id="F24-narrow"),
        pytest.param(("refuse",), 5.0, id="F25-refused"),
        pytest.param(("slice 1",), 3.0, id="F27-slices"),
        pytest.param(("truncate 700",), 3.0, id="F27-truncated"),
        pytest.param(("pause", "resume"), 0.5, id="F02-stopped"),
    ],
)
async def test_a_fault_of_the_connection_loses_nothing(
    own_server: Proxied, rig: Rig, verbs: tuple[str, ...], lasts_s: float
) -> None:
    """Under load, for a while; afterwards both publishers go on and everything arrives."""
    flow = await _flow(rig)
    async with flow.running():
        await flow.confirm(100)
        for verb in verbs:
            await _control(own_server, verb)
            await asyncio.sleep(lasts_s)  # how long the fault lasts
        await _control(own_server, "heal")
    _judge(flow, faults=3)


@pytest.mark.timeout(180)
async def test_f18_resets_again_and_again(own_server: Proxied, rig: Rig) -> None:
    """Twenty in ten seconds: no storm of attempts, no consumer too many, nothing lost."""
    flow = await _flow(rig)
    before = int(own_server.control("stats").partition('"accepted": ')[2].partition("}")[0])
    async with flow.running():
        await flow.confirm(50)
        for _ in range(20):
            await _control(own_server, "cut")
            await asyncio.sleep(0.4)
    after = int(own_server.control("stats").partition('"accepted": ')[2].partition("}")[0])
    _judge(flow, faults=20)
    assert after - before <= 4 * (20 + 20), f"{after - before} connections for four links"


@pytest.mark.timeout(180)
async def test_f14_a_blocked_loop_is_noticed_and_healed(own_server: Proxied, rig: Rig) -> None:
    """The heartbeat ends the connection; what was held comes again, flagged."""
    flow = await _flow(rig)
    async with flow.running():
        await flow.confirm(50)
        time.sleep(8)  # noqa: ASYNC251 -- the fault
    _judge(flow, faults=2)
    assert not flow.unflagged
