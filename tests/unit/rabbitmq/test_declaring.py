"""Declaring topology, and opening, on a real server and where there is none."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from pydantic import SecretStr

from anymq.errors import AccessDenied, BackendUnavailable, ClosedError, ConfigError, TopologyError
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from anymq_rabbitmq.broker import RabbitMQBroker
from anymq_rabbitmq.scratch import scratch_channel
from tests.unit.rabbitmq.driving import CALL_S, message

TOPOLOGY = Topology((TopicSpec("news"),), (GroupSpec("news", "desk"),))


async def test_verify_lists_all_that_is_missing(rig: Any) -> None:
    """And is content once it is there."""
    broker = await rig.broker()

    with pytest.raises(TopologyError, match=r"topic 'news'.*news\.desk'.*news\.desk\.dead'"):
        await broker.declare(TOPOLOGY, mode=TopologyMode.VERIFY, timeout_s=CALL_S)

    await rig.declare(broker, "news", "desk")
    await broker.declare(TOPOLOGY, mode=TopologyMode.VERIFY, timeout_s=CALL_S)


async def test_assume_declares_nothing(rig: Any) -> None:
    """The operator did."""
    broker = await rig.broker()

    await broker.declare(TOPOLOGY, mode=TopologyMode.ASSUME, timeout_s=CALL_S)

    with pytest.raises(TopologyError):
        await broker.declare(TOPOLOGY, mode=TopologyMode.VERIFY, timeout_s=CALL_S)


async def test_several_processes_may_declare_at_once(rig: Any) -> None:
    """All succeed, and a group's messages stay."""
    brokers = [await rig.broker() for _ in range(3)]
    await rig.declare(brokers[0], "news", "desk")
    await brokers[0].send([message()], timeout_s=CALL_S)

    async with asyncio.TaskGroup() as declaring:
        for broker in brokers:
            declaring.create_task(
                broker.declare(TOPOLOGY, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
            )

    (group,) = await brokers[0].management().groups("news")
    assert group.ready == 1


async def test_a_topic_that_differs_is_told_and_harms_nobody(rig: Any) -> None:
    """The refusal closes the channel it came on, and no other."""
    broker = await rig.broker()
    await rig.declare(broker, "sport", "desk")
    name = f"{rig.context.namespace}.news"
    async with scratch_channel(broker._links.consuming, "preparing", CALL_S) as channel:
        await channel.exchange_declare(name, exchange_type="fanout", durable=True)
    sending = broker.send([message("sport")], timeout_s=CALL_S)

    with pytest.raises(TopologyError, match="type"):
        await broker.declare(TOPOLOGY, mode=TopologyMode.MANAGE, timeout_s=CALL_S)

    await sending
    async with scratch_channel(broker._links.consuming, "tidying", CALL_S) as channel:
        await channel.exchange_delete(name)


async def test_a_queue_from_before_an_upgrade_is_kept(rig: Any, monkeypatch: Any) -> None:
    """RabbitMQ 4 wants an argument that older declarations lack."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    monkeypatch.setattr(type(broker._links.consuming), "server_version", "4.1.0")

    await broker.declare(TOPOLOGY, mode=TopologyMode.MANAGE, timeout_s=CALL_S)


async def test_a_name_that_amqp_cannot_route_is_refused(rig: Any) -> None:
    """By its length, before anything is declared."""
    broker = await rig.broker()
    topology = Topology((TopicSpec("n" * 250),))

    with pytest.raises(ConfigError, match="too long"):
        await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"password": SecretStr("wr0ng")}, AccessDenied),
        ({"path": "no-such-host"}, ConfigError),
        ({"port": 1}, BackendUnavailable),
    ],
)
async def test_an_open_that_cannot_succeed_says_why(
    rig: Any, changes: dict[str, Any], error: type[Exception]
) -> None:
    """Within the connect timeout, without the password, and with nothing left running."""
    before = asyncio.all_tasks()

    with pytest.raises(error) as caught:
        await rig.broker(**changes)

    assert "wr0ng" not in str(caught.value)
    await rig.stack.aclose()
    assert asyncio.all_tasks() <= before


async def test_a_server_that_never_answers_ends_the_open_in_time(rig: Any) -> None:
    """It takes the connection and is silent."""
    ends: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(
        lambda _reader, writer: ends.append(writer), "127.0.0.1", 0
    ) as silent:
        port = silent.sockets[0].getsockname()[1]
        begin = time.monotonic()

        with pytest.raises(BackendUnavailable):
            await rig.broker(host="127.0.0.1", port=port, connect_timeout_s=0.3)

        assert time.monotonic() - begin < 1.5
        for end in ends:
            end.close()


async def test_after_close_everything_says_so(rig: Any) -> None:
    """A second close does nothing."""
    broker: RabbitMQBroker = await rig.broker()
    await broker.aclose(timeout_s=CALL_S)
    await broker.aclose(timeout_s=CALL_S)

    with pytest.raises(ClosedError):
        await broker.send([message()], timeout_s=CALL_S)
    with pytest.raises(ClosedError):
        await broker.declare(TOPOLOGY, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    assert (await broker.health()).status == "down"
