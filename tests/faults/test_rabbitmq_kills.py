"""What RabbitMQ confirmed survives a kill of the server, however young its queue is."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest

from anymq.abc import BackendContext, StreamSpec
from anymq.message import Message
from anymq.outcome import ACK, CONFIRMED, Settlement
from anymq.support.clock import SystemClock
from anymq.topology import GroupSpec, Source, TopicSpec, Topology, TopologyMode
from anymq_rabbitmq.broker import RabbitMQBroker
from anymq_rabbitmq.options import RabbitMQOptions
from anymq_rabbitmq.stream import RabbitMQStream

pytestmark = [pytest.mark.server("rabbitmq"), pytest.mark.exclusive, pytest.mark.long]

CALL_S = 20.0
COUNT = 20


@pytest.fixture
def options(rabbitmq_url: str) -> RabbitMQOptions:
    """The server's options."""
    parts = urlsplit(rabbitmq_url)
    return RabbitMQOptions(
        host=parts.hostname or "localhost",
        port=parts.port,
        username=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        path=unquote(parts.path.removeprefix("/")),
    )


@pytest.fixture
async def drivers(options: RabbitMQOptions) -> AsyncIterator[tuple[RabbitMQBroker, RabbitMQStream]]:
    """A Broker and a Stream in a namespace of their own."""
    context = BackendContext(SystemClock(), namespace=f"kill-{uuid4().hex[:8]}")
    async with AsyncExitStack() as stack:
        broker, stream = RabbitMQBroker(options, context), RabbitMQStream(options, context)
        for driver in (broker, stream):
            stack.push_async_callback(driver.aclose, timeout_s=CALL_S)
            await driver.open(lambda _event: None)
        yield broker, stream


def _restart_by_force() -> None:
    """SIGKILL, then start on the same data; returns once the server is healthy."""
    control = shlex.split(os.environ["ANYMQ_TEST_RABBITMQ_CONTROL"])
    for verb in ("kill", "restart"):
        subprocess.run([*control, verb], check=True, capture_output=True, timeout=60)


def _messages(topic: str) -> list[Message]:
    return [Message(topic=topic, body=b"x", id=f"m{n}", timestamp=1.0) for n in range(COUNT)]


@pytest.mark.timeout(180)
async def test_a_group_just_declared_keeps_what_was_confirmed(
    drivers: tuple[RabbitMQBroker, RabbitMQStream],
) -> None:
    """Declared, confirmed, killed at once: all of it is there."""
    broker, _ = drivers
    topology = Topology((TopicSpec("news"),), (GroupSpec("news", "desk"),))
    await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    results = await broker.send(_messages("news"), timeout_s=CALL_S)
    _restart_by_force()

    assert set(results) == {CONFIRMED}
    await broker.declare(topology, mode=TopologyMode.VERIFY, timeout_s=CALL_S)
    desk = await broker.subscribe(Source(("news",), "desk"), prefetch=COUNT, on_lost=lambda _: None)
    seen: list[str] = []
    while len(seen) < COUNT:
        deliveries = await desk.receive(max_messages=COUNT, wait_s=CALL_S)
        assert deliveries, f"only {seen} of {COUNT} came back"
        seen += [delivery.id for delivery in deliveries]
        await desk.settle([Settlement(d, ACK) for d in deliveries], timeout_s=CALL_S)
    assert sorted(seen) == sorted(message.id for message in _messages("news"))


@pytest.mark.timeout(180)
async def test_a_stream_just_declared_is_there(
    drivers: tuple[RabbitMQBroker, RabbitMQStream],
) -> None:
    """So is its group's first position."""
    _, stream = drivers
    await stream.declare([StreamSpec("sales")], mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    await stream.append(_messages("sales"), timeout_s=CALL_S)
    await stream.commit("sales", "desk", "5")
    _restart_by_force()

    await stream.declare([StreamSpec("sales")], mode=TopologyMode.VERIFY, timeout_s=CALL_S)
    assert await stream.committed("sales", "desk") == "5"
