"""Declaring: what may change while messages wait, and what may not."""

from __future__ import annotations

import pytest

from anymq.capabilities import Durability
from anymq.errors import TopologyError, UnsupportedError
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from anymq_sqlite.broker import SqliteBroker
from tests.unit.sqlite.bench import CALL_S, Bench, bodies


async def _declare(
    broker: SqliteBroker, *topics: TopicSpec, mode: TopologyMode = TopologyMode.MANAGE
) -> None:
    await broker.declare(Topology(topics), mode=mode, timeout_s=CALL_S)


async def test_partitions_change_only_when_nothing_waits(bench: Bench) -> None:
    """A change of them is refused while a group has unsettled messages, and tells so."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    await bench.send(broker, bench.message())

    with pytest.raises(TopologyError, match="1 partitions, not 3, and there are unsettled"):
        await _declare(broker, TopicSpec("t", 3))
    await _declare(broker, TopicSpec("t", 3), mode=TopologyMode.ASSUME)
    await bench.settle(subscription, *await bench.take(subscription, 1))
    await _declare(broker, TopicSpec("t", 3))
    await _declare(broker, TopicSpec("t", 3), mode=TopologyMode.VERIFY)

    (topic,) = await broker.management().topics()
    assert topic.partitions == 3


async def test_what_is_not_there_is_told_by_verify(bench: Bench) -> None:
    """A topic, and a group of one that is there; nothing is made."""
    broker = await bench.ready()
    other = Topology((), (GroupSpec("t", "other"),))

    with pytest.raises(TopologyError, match="'u' does not exist"):
        await _declare(broker, TopicSpec("u"), mode=TopologyMode.VERIFY)
    with pytest.raises(TopologyError, match="group 'other'"):
        await broker.declare(other, mode=TopologyMode.VERIFY, timeout_s=CALL_S)
    await broker.declare(other, mode=TopologyMode.ASSUME, timeout_s=CALL_S)
    nowhere = Topology((), (GroupSpec("u", "g"),))
    with pytest.raises(TopologyError, match="'u' does not exist"):
        await broker.declare(nowhere, mode=TopologyMode.MANAGE, timeout_s=CALL_S)

    assert bench.query("SELECT name FROM topics") == [("t",)]
    assert bench.query("SELECT name FROM groups") == [("g",)]


async def test_more_durability_than_there_is_is_refused(bench: Bench) -> None:
    """A disk may be lost: the error names the topic, what it asked, and what there is."""
    broker = await bench.ready()

    with pytest.raises(UnsupportedError, match=r"'u' asks durability='node_loss'.*'os_crash'"):
        await _declare(broker, TopicSpec("u", durability=Durability.NODE_LOSS))
    await _declare(broker, TopicSpec("u", durability=Durability.OS_CRASH))


async def test_a_group_takes_another_order_with_what_waits(bench: Bench) -> None:
    """By key from now on: one of a key at a time; and back: all at once."""
    broker = await bench.ready()
    for number in range(4):
        await bench.send(broker, bench.message(b"%d" % number, key="k"))
    subscription = await bench.subscribe(broker)

    await bench.declare(broker, "t", "g", order="key")
    first = await subscription.receive(max_messages=4, wait_s=CALL_S)
    await bench.nothing(subscription)
    await bench.settle(subscription, *first)
    second = await subscription.receive(max_messages=4, wait_s=CALL_S)
    await bench.declare(broker, "t", "g", order="none")
    rest = await bench.take(subscription, 2)

    assert bodies([*first, *second]) == [b"0", b"1"]
    assert bodies(rest) == [b"2", b"3"]
