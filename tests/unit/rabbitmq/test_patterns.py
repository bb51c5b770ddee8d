"""Subscriptions to patterns of topics, and what a topic's retention and a message's life mean."""

from __future__ import annotations

import time
from typing import Any

import pytest

from anymq.errors import TopologyError
from anymq.message import Message
from anymq.outcome import Confirmed, Retry, Settlement
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from anymq_rabbitmq.broker import RabbitMQBroker
from tests.unit.rabbitmq.driving import CALL_S, ack, collect, join, message

QUIET_S = 0.3


async def _declare(rig: Any, broker: RabbitMQBroker, *specs: TopicSpec | GroupSpec) -> None:
    topology = Topology(
        tuple(spec for spec in specs if isinstance(spec, TopicSpec)),
        tuple(spec for spec in specs if isinstance(spec, GroupSpec)),
    )
    await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    for group in topology.groups:
        rig.remove_later(group.topic, group.name)


async def _send(broker: RabbitMQBroker, *messages: Message) -> None:
    results = await broker.send(messages, timeout_s=CALL_S)
    assert all(isinstance(result, Confirmed) for result in results), results


async def test_a_pattern_means_topics_of_before_and_of_later(rig: Any) -> None:
    """'*' is one segment; whoever declares the topic binds the group, another process too."""
    broker, other = await rig.broker(), await rig.broker()
    await _declare(rig, broker, TopicSpec("news.old"), TopicSpec("sport.old"))
    await _declare(rig, broker, GroupSpec("news.*", "desk"))
    await _declare(rig, other, TopicSpec("news.new"), TopicSpec("news.new.deep"))
    desk = await join(broker, "desk", "news.*")

    topics = ("news.old", "news.new", "news.new.deep", "sport.old")
    await _send(other, *[message(topic) for topic in topics])

    found = await collect(desk, 2)
    assert {delivery.topic for delivery in found} == {"news.old", "news.new"}
    assert list(await desk.receive(max_messages=9, wait_s=QUIET_S)) == []
    await ack(desk, found)


async def test_a_retry_and_a_dead_letter_keep_their_topic(rig: Any) -> None:
    """They go to the pattern's own queues, by the ladder too."""
    broker = await rig.broker()
    await _declare(rig, broker, TopicSpec("news.a"), GroupSpec("news.#", "desk"))
    await _declare(rig, broker, GroupSpec("#", "all"))
    desk, everything = await join(broker, "desk", "news.#"), await join(broker, "all", "#")
    await _send(broker, message("news.a", key="k"))
    (first,) = await collect(desk, 1)
    await ack(everything, await collect(everything, 1))

    await desk.settle([Settlement(first, Retry(1.0))], timeout_s=CALL_S)
    (again,) = await collect(desk, 1)
    dead = message("news.a", id=first.id, group="desk", lane="dead")
    await _send(broker, dead)

    assert (again.topic, again.id, again.key) == ("news.a", first.id, "k")
    letters = await broker.management().dead_letters("news.#", "desk", limit=5)
    assert [(letter.id, letter.message.topic) for letter in letters] == [(first.id, "news.a")]
    assert list(await everything.receive(max_messages=9, wait_s=QUIET_S)) == []
    await ack(desk, [again])


async def test_an_anonymous_pattern_hears_what_is_there(rig: Any) -> None:
    """With the topic of each message."""
    broker = await rig.broker()
    await _declare(rig, broker, TopicSpec("news.a"), TopicSpec("news.b"), TopicSpec("sport"))
    private = await join(broker, None, "news.*")

    await _send(broker, message("sport"), message("news.b"), message("news.a"))

    found = await collect(private, 2)
    assert [delivery.topic for delivery in found] == ["news.b", "news.a"]
    await ack(private, found)


async def test_the_server_drops_what_lived_too_long(rig: Any) -> None:
    """Behind nothing, without a consumer; a delay does not shorten a life, nor a dead letter's."""
    broker = await rig.broker()
    await _declare(rig, broker, TopicSpec("news"), GroupSpec("news", "desk"))
    now = time.time()
    await _send(
        broker,
        message(expires_at=now + 0.2),
        message(body=b"stays", expires_at=now + 60),
        message(body=b"late", expires_at=now + 60, due_at=now + 1.0),
        message(body=b"dead", expires_at=now + 0.2, group="desk", lane="dead"),
    )

    gone_at = time.monotonic() + 0.5
    while time.monotonic() < gone_at:
        await broker.management().groups("news")
    desk = await join(broker, "desk")
    found = await collect(desk, 2)
    assert [delivery.body for delivery in found] == [b"stays", b"late"]
    letters = await broker.management().dead_letters("news", "desk", limit=5)
    assert [letter.message.body for letter in letters] == [b"dead"]
    await ack(desk, found)


async def test_a_topics_retention_limits_what_waits(rig: Any) -> None:
    """Without a consumer it is gone in time; another retention is refused by name."""
    broker = await rig.broker()
    group = GroupSpec("news", "desk")
    await _declare(rig, broker, TopicSpec("news", retention_s=0.3), group)
    await _send(broker, message())
    gone_at = time.monotonic() + 0.6
    while time.monotonic() < gone_at:
        await broker.management().groups("news")
    desk = await join(broker, "desk")
    assert list(await desk.receive(max_messages=9, wait_s=QUIET_S)) == []
    await desk.aclose(timeout_s=CALL_S)

    with pytest.raises(TopologyError, match="retention_s"):
        await _declare(rig, broker, TopicSpec("news", retention_s=5), group)
