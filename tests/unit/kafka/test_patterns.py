"""Subscriptions to patterns of topics, on a real broker."""

from __future__ import annotations

import pytest

from anymq.errors import TopologyError
from anymq.outcome import SETTLED
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from anymq_kafka.broker import KafkaBroker
from tests.unit.kafka.bench import CALL_S, Bench

pytestmark = pytest.mark.server("kafka")


async def test_a_group_of_a_pattern_reads_every_topic_that_matches(bench: Bench) -> None:
    """One segment for a star, any number for a hash; companions are no topics."""
    broker = await bench.broker()
    await _declare(broker, ["news.a", "news.a.deep", "other"], [("news.*", "one"), ("#", "all")])
    await bench.send(broker, *(bench.message(t) for t in ("news.a", "news.a.deep", "other")))
    await bench.send(broker, bench.message("news.a", 9, group="one", lane="retry"))

    async with bench.member(broker, "news.*", "one") as one:
        first, again = sorted(await bench.collect(one, 2), key=lambda d: d.id)
        assert (first.id, first.topic) == ("news.a-0", "news.a")
        assert (again.id, again.message.lane) == ("news.a-9", "retry")
        assert await bench.ack(one, first, again) == [SETTLED, SETTLED]
        assert await one.receive(max_messages=1, wait_s=0.5) == []
    async with bench.member(broker, "#", "all") as everything:
        seen = await bench.collect(everything, 3)
        assert {d.topic for d in seen} == {"news.a", "news.a.deep", "other"}


async def test_a_topic_that_is_declared_later_is_read_from_its_beginning(bench: Bench) -> None:
    """By the running member, and by one that begins only after the first message."""
    broker, other = await bench.broker(), await bench.broker()
    await _declare(broker, ["news.a"], [("news.*", "one"), ("news.*", "late")])
    async with (
        bench.member(broker, "news.*", "one") as one,
        bench.member(broker, "news.*", None) as private,
    ):
        await _declare(other, ["news.b"], [])
        await bench.send(other, bench.message("news.b", 1))

        for member in (one, private):
            (delivery,) = await bench.collect(member, 1)
            assert (delivery.id, delivery.topic) == ("news.b-1", "news.b")
            assert await bench.ack(member, delivery) == [SETTLED]
    async with bench.member(broker, "news.*", "late") as late:
        assert [d.id for d in await bench.collect(late, 1)] == ["news.b-1"]


async def test_a_pattern_is_declared_like_a_topic(bench: Bench) -> None:
    """Joining and verifying name a group of a pattern that nobody declared."""
    broker = await bench.broker()
    await _declare(broker, ["news.a"], [("news.*", "one")])

    await _declare(broker, ["news.a"], [("news.*", "one")], mode=TopologyMode.VERIFY)
    with pytest.raises(TopologyError, match="nobody"):
        await _declare(broker, ["news.a"], [("news.*", "nobody")], mode=TopologyMode.VERIFY)
    with pytest.raises(TopologyError, match="nobody"):
        async with bench.member(broker, "news.*", "nobody"):
            pytest.fail("joined what was not declared")


async def _declare(
    broker: KafkaBroker,
    topics: list[str],
    groups: list[tuple[str, str]],
    mode: TopologyMode = TopologyMode.MANAGE,
) -> None:
    topology = Topology(
        tuple(TopicSpec(topic) for topic in topics),
        tuple(GroupSpec(topic, group) for topic, group in groups),
    )
    await broker.declare(topology, mode=mode, timeout_s=CALL_S)
