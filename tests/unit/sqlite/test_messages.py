"""What goes in comes out: sending, addressing, settling."""

from __future__ import annotations

import asyncio
import time

import pytest

from anymq.errors import TopologyError
from anymq.outcome import (
    ACK,
    CONFIRMED,
    RELEASE,
    SETTLED,
    STALE,
    DeadLetter,
    Rejected,
    Retry,
    Settlement,
)
from anymq.topology import TopicSpec, Topology, TopologyMode
from anymq_sqlite.broker import SqliteBroker
from tests.unit.sqlite.bench import CALL_S, Bench


async def test_everything_of_a_message_arrives(bench: Bench) -> None:
    """Also bytes that are no text, names of any script, and an empty body."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    sent = bench.message(
        b"\x00\xff\x80",
        headers={"Größe": "東京 \U0001f40d", "empty": "", "quote": "\"'\\"},
        meta={"traceparent": "00-1"},
        content_type="application/x-odd",
        key="k\x00ey",
        partition=3,
        priority=2,
        attempt=4,
        correlation_id="c",
        causation_id="d",
        reply_to="r",
        expires_at=time.time() + 60,
    )

    await bench.send(broker, sent, bench.message(b""))
    got, empty = await bench.take(subscription, 2)

    names = ("body", "headers", "meta", "content_type", "key", "partition", "priority", "attempt")
    more = ("id", "timestamp", "correlation_id", "causation_id", "reply_to", "expires_at")
    for name in names + more:
        assert getattr(got.message, name) == getattr(sent, name), name
    assert (empty.body, empty.message.headers, empty.redelivered) == (b"", {}, False)


async def test_each_entry_has_its_result(bench: Bench) -> None:
    """A bad address hides no good one; atomic, it refuses all."""
    broker = await bench.ready()
    await broker.declare(Topology((TopicSpec("lonely"),)), mode=TopologyMode.MANAGE, timeout_s=5)
    mixed = [
        bench.message(),
        bench.message(topic="nowhere"),
        bench.message(topic="lonely"),
        bench.message(group="nobody"),
        bench.message(topic="nowhere", group="g"),
    ]

    results = await bench.send(broker, *mixed)
    atomic = await bench.send(broker, *mixed, atomic=True)

    codes = [result.code if isinstance(result, Rejected) else "" for result in results]
    assert codes == ["", "not_found", "", "not_found", "not_found"]
    assert {result.code for result in atomic} == {"not_found"}
    assert bench.query("SELECT count(*) FROM queue") == [(1,)]
    assert await bench.send(broker) == []


async def test_outcomes(bench: Bench) -> None:
    """Ack removes, Release comes at once uncounted, Retry later with its content, DeadLetter is
    set aside; a second settlement is stale."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    await bench.send(broker, *[bench.message(b"%d" % n) for n in range(4)])
    acked, released, retried, dead = await bench.take(subscription, 4)
    began = time.time()

    results = await subscription.settle(
        [
            Settlement(acked, ACK),
            Settlement(released, RELEASE),
            Settlement(retried, Retry(0.3), bench.message(b"2", attempt=2)),
            Settlement(dead, DeadLetter("bad"), bench.message(b"3", meta={"why": "bad"})),
        ],
        timeout_s=CALL_S,
    )
    again = await bench.settle(subscription, acked, released, retried, dead)
    (back,) = await bench.take(subscription, 1)
    (later,) = await bench.take(subscription, 1)

    assert results == [SETTLED] * 4
    assert again == [STALE] * 4
    assert (back.body, back.delivery_count, back.redelivered) == (b"1", 1, True)
    assert (later.body, later.attempt, later.delivery_count) == (b"2", 2, 1)
    assert time.time() - began >= 0.3
    (letter,) = await broker.management().dead_letters("t", "g", limit=10)
    assert (letter.message.body, letter.message.meta) == (b"3", {"why": "bad"})


async def test_acks_with_gaps_and_strangers(bench: Bench) -> None:
    """Runs of neighbours are deleted at once; one that another took meanwhile is stale alone."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    await bench.send(broker, *[bench.message(b"%d" % n) for n in range(6)])
    taken = await bench.take(subscription, 6)
    bench.query("UPDATE queue SET owner = 999 WHERE body = x'32'")

    results = await bench.settle(subscription, taken[0], taken[1], taken[2], taken[3], taken[5])

    assert results == [SETTLED, SETTLED, STALE, SETTLED, SETTLED]
    assert bench.query("SELECT body FROM queue ORDER BY seq") == [(b"2",), (b"4",)]


async def test_a_cancelled_send_is_whole_or_not_at_all(bench: Bench) -> None:
    """F12: two hundred batches of two; the file has pairs."""
    broker = await bench.ready()

    for n in range(200):
        pair = [bench.message(b"%d" % n), bench.message(b"%d" % n)]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(broker.send(pair, timeout_s=CALL_S))
            await asyncio.sleep(0.0001 * (n % 4))
            task.cancel()
    assert await bench.send(broker, bench.message(b"last")) == [CONFIRMED]

    odd = "SELECT body, count(*) FROM queue WHERE body <> x'6c617374' GROUP BY body"
    assert {count for _, count in bench.query(odd)} <= {2}


async def test_what_is_not_declared_is_refused(bench: Bench) -> None:
    """Topic, group, pattern; each error says what is missing."""
    broker = await bench.ready()

    with pytest.raises(TopologyError, match="'nowhere' does not exist"):
        await bench.subscribe(broker, "nowhere")
    with pytest.raises(TopologyError, match="'nowhere' does not exist"):
        await bench.subscribe(broker, "nowhere", None)
    with pytest.raises(TopologyError, match="group 'h' of topic 't'"):
        await bench.subscribe(broker, "t", "h")
    for mode in (TopologyMode.VERIFY, TopologyMode.ASSUME):
        await broker.declare(Topology((TopicSpec("t"),)), mode=mode, timeout_s=5)
    topology = Topology((TopicSpec("t", 2),))
    with pytest.raises(TopologyError, match="1 partitions, not 2"):
        await broker.declare(topology, mode=TopologyMode.VERIFY, timeout_s=5)


async def test_patterns_hear_topics_of_now_and_later(bench: Bench) -> None:
    """Within their namespace."""
    broker = await bench.broker(namespace="shop")
    other = await bench.broker()
    await bench.declare(broker, "news.one")
    await bench.declare(broker, "news.*", "g")
    await bench.declare(broker, "news.two")
    await bench.declare(other, "news.three")
    subscription = await bench.subscribe(broker, "news.*")

    await bench.send(broker, bench.message(topic="news.one"), bench.message(topic="news.two"))
    await bench.send(other, bench.message(topic="news.three"))

    assert [d.topic for d in await bench.take(subscription, 2)] == ["news.one", "news.two"]
    await bench.nothing(subscription)


async def test_sql_from_elsewhere_is_delivered(bench: Bench) -> None:
    """By the view; text is bytes, and the id is the position."""
    broker: SqliteBroker = await bench.ready(order="key")
    subscription = await bench.subscribe(broker)
    bench.query("INSERT INTO publish (topic, key, body) VALUES ('t', 'k', '{\"ü\": 1}')")
    bench.query("INSERT INTO queue (gid, topic, body) SELECT id, 't', 'text' FROM groups")

    first, second = await bench.take(subscription, 2)

    assert (first.body, first.key, first.id) == ('{"ü": 1}'.encode(), "k", first.position)
    assert abs(first.timestamp - time.time()) < 5
    assert second.body == b"text"
