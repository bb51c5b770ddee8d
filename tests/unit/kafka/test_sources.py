"""What a member reads: anonymous, several topics, foreign clients, and what is refused."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from anymq.errors import TopologyError
from anymq.outcome import SETTLED
from anymq.topology import TopologyMode
from tests.unit.kafka.bench import CALL_S, Bench

pytestmark = pytest.mark.server("kafka")


async def test_an_anonymous_subscription_begins_now_and_leaves_nothing(bench: Bench) -> None:
    """Each has its own copy of what is sent from now on; the cluster keeps no group."""
    broker = await bench.broker()
    await bench.declare(broker, "news")
    await bench.send(broker, bench.message("news", 1))
    async with (
        bench.member(broker, "news", None) as one,
        bench.member(broker, "news", None) as other,
    ):
        await bench.send(broker, bench.message("news", 2))
        for member in (one, other):
            (delivery,) = await bench.collect(member, 1)
            assert (delivery.id, delivery.group) == ("news-2", None)
            assert await bench.ack(member, delivery) == [SETTLED]

    groups = await asyncio.wrap_future(bench.admin.list_consumer_groups())
    assert not [g for g in groups.valid if g.group_id.startswith("anymq.private.")]


async def test_one_subscription_reads_several_topics(bench: Bench) -> None:
    """Each topic has its own group on the cluster; together they keep to the prefetch."""
    broker = await bench.broker()
    for topic in ("news", "sport"):
        await bench.declare(broker, topic, "desk")
        await bench.send(broker, bench.message(topic, 1), bench.message(topic, 2))
    from anymq.topology import Source

    both = await broker.subscribe(
        Source(("news", "sport"), "desk"), prefetch=3, on_lost=bench.lost.extend
    )
    held = await bench.collect(both, 3)
    assert await both.receive(max_messages=3, wait_s=0.5) == []
    assert await bench.ack(both, *held) == [SETTLED] * 3
    (last,) = await bench.collect(both, 1)
    assert {d.id for d in [*held, last]} == {"news-1", "news-2", "sport-1", "sport-2"}


async def test_a_foreign_client_is_understood(bench: Bench) -> None:
    """No headers at all: the id is the position, the key is the record's, the bytes are kept."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    topic = f"{bench.namespace}.news"
    foreign = Producer({"bootstrap.servers": bench.bootstrap, "log_level": 0})
    foreign.produce(topic, b"\xff\x00", key="k", headers={"plain": b"\xfe"})
    foreign.produce(topic, None)
    assert foreign.flush(CALL_S) == 0

    async with bench.member(broker, "news", "desk") as desk:
        first, tombstone = await bench.collect(desk, 2)

    assert (first.id, first.body, first.key) == (f"{topic}:0:0", b"\xff\x00", "k")
    assert first.headers == {"plain": "\N{REPLACEMENT CHARACTER}"}
    assert (tombstone.id, tombstone.body, tombstone.key) == (f"{topic}:0:1", b"", None)


async def test_a_foreign_client_reads_what_we_send(bench: Bench) -> None:
    """The body untouched, the key native, the rest as headers."""
    broker = await bench.broker()
    await bench.declare(broker, "news")
    await bench.send(
        broker, bench.message("news", 7, body=b"\x00raw", key="Zürich", headers={"Place": "東京"})
    )
    foreign = Consumer({"bootstrap.servers": bench.bootstrap, "group.id": "x", "log_level": 0})
    try:
        foreign.assign(_from_the_beginning(f"{bench.namespace}.news"))
        record = await asyncio.to_thread(foreign.poll, CALL_S)
    finally:
        foreign.close()

    assert record is not None
    assert (record.value(), record.key()) == (b"\x00raw", "Zürich".encode())
    headers = dict(record.headers() or ())
    assert headers["Place"] == "東京".encode()
    assert headers["anymq-id"] == b"news-7"
    assert "anymq-key" not in headers


async def test_joining_what_is_not_declared_is_refused(bench: Bench) -> None:
    """A missing topic and a missing group are told apart from an empty one."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")

    for topic, group in (("nowhere", "desk"), ("news", "nobody"), ("nowhere", None)):
        with pytest.raises(TopologyError):
            async with bench.member(broker, topic, group):
                pytest.fail("joined what does not exist")


async def test_what_differs_from_its_declaration_is_told(bench: Bench) -> None:
    """Verify names everything that is missing; manage refuses another number of partitions."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk", partitions=2)

    await bench.declare(broker, "news", "desk", partitions=2, mode=TopologyMode.VERIFY)
    with pytest.raises(TopologyError, match="archive"):
        await bench.declare(broker, "news", "desk", "archive", mode=TopologyMode.VERIFY)
    with pytest.raises(TopologyError, match="has 2 partitions, not 1"):
        await bench.declare(broker, "news", "desk")


async def test_a_topic_deleted_under_a_member_is_told(bench: Bench) -> None:
    """Receive raises instead of waiting for what cannot come."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    async with bench.member(broker, "news", "desk") as desk:
        await bench.send(broker, bench.message("news", 1))
        await bench.collect(desk, 1)
        for future in bench.admin.delete_topics(list(bench.topics())).values():
            await asyncio.wrap_future(future)

        with pytest.raises(TopologyError):
            await bench.collect(desk, 1)


async def test_a_start_keeps_what_was_settled_behind_a_gap(bench: Bench) -> None:
    """Renewing a group's commits, as every declaration does, keeps the notes beside them."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    async with bench.member(broker, "news", "desk") as desk:
        await bench.send(broker, *(bench.message("news", n) for n in (1, 2, 3)))
        _one, two, three = await bench.collect(desk, 3)
        assert await bench.ack(desk, two, three) == [SETTLED, SETTLED]

    await bench.declare(broker, "news", "desk")

    async with bench.member(broker, "news", "desk") as desk:
        (again,) = await bench.collect(desk, 1)
        assert (again.id, again.redelivered) == ("news-1", True)
        assert await desk.receive(max_messages=1, wait_s=0.5) == []


def _from_the_beginning(topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, 0, OFFSET_BEGINNING)]
