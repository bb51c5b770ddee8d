"""The memory backend: declaring, the operator's view, and its own condition."""

from __future__ import annotations

import pytest

from anymq import (
    App,
    BackendUnavailable,
    Busy,
    ClosedError,
    ConfigError,
    TopologyError,
    UnsupportedError,
)
from anymq.abc import BackendContext, BackendEvent
from anymq.capabilities import Durability, Support
from anymq.memory.broker import MemoryBroker
from anymq.memory.capabilities import capabilities_of
from anymq.memory.options import MemoryOptions
from anymq.outcome import DeadLetter, Settlement
from anymq.testing.fake_clock import FakeClock
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from tests.unit.core.doubles import a_message
from tests.unit.core.memory.conftest import Rig, ids

T = TopologyMode


async def _declare(rig: Rig, mode: TopologyMode, *topics: TopicSpec, group: str = "") -> None:
    groups = (GroupSpec(topics[0].name, group),) if group else ()
    await rig.broker.declare(Topology(topics, groups), mode=mode, timeout_s=1)


async def test_declaring_again_changes_nothing(rig: Rig) -> None:
    """What waits goes on waiting."""
    await rig.send(1)
    await rig.declare(GroupSpec("t", "g"))

    assert (await rig.state()).ready == 1


async def test_verifying_finds_what_is_missing(rig: Rig) -> None:
    """A topic, or a group of one that is there; what is there passes."""
    await _declare(rig, T.VERIFY, TopicSpec("t"), group="g")
    with pytest.raises(TopologyError, match="topic 'u' does not exist"):
        await _declare(rig, T.VERIFY, TopicSpec("u"))
    with pytest.raises(TopologyError, match="group 'h'"):
        await _declare(rig, T.VERIFY, TopicSpec("t"), group="h")


async def test_assuming_makes_and_checks_nothing(rig: Rig) -> None:
    """Whoever says so is trusted."""
    await _declare(rig, T.ASSUME, TopicSpec("u"), group="h")

    assert "u" not in rig.space.topics


async def test_partitions_change_only_while_nothing_is_unsettled(rig: Rig) -> None:
    """Else messages of a key would overtake each other."""
    await rig.send(1)
    with pytest.raises(TopologyError, match="unsettled messages"):
        await _declare(rig, T.MANAGE, TopicSpec("t", 3))
    subscription = await rig.join()
    (held,) = await rig.take(subscription)
    await subscription.settle([Settlement(held, DeadLetter("x"))], timeout_s=1)
    await _declare(rig, T.MANAGE, TopicSpec("t", 3))

    (topic,) = await rig.broker.management().topics()
    assert (topic.name, topic.partitions) == ("t", 3)


async def test_durability_is_refused(rig: Rig) -> None:
    """Nothing here survives the process; the text says so."""
    with pytest.raises(UnsupportedError, match="in this process only"):
        await _declare(rig, T.MANAGE, TopicSpec("u", durability=Durability.PROCESS_CRASH))
    await _declare(rig, T.MANAGE, TopicSpec("u", durability=Durability.NONE))


async def test_groups_tell_their_condition(rig: Rig) -> None:
    """Ready, in flight, delayed, dead, members, and how long nobody was there."""
    await rig.send(1, 2, 3)
    await rig.send(4, due_at=2000.0)
    subscription = await rig.join(prefetch=2)
    first, _ = await rig.take(subscription)
    await subscription.settle([Settlement(first, DeadLetter("x"))], timeout_s=1)
    state = await rig.state()
    assert (state.ready, state.in_flight, state.delayed, state.dead) == (1, 1, 1, 1)
    assert (state.members, state.idle_s) == (1, 0.0)

    await subscription.aclose(timeout_s=1)
    await rig.clock.advance(5)
    state = await rig.state()
    assert (state.members, state.idle_s, state.ready) == (0, 5.0, 2)
    with pytest.raises(TopologyError):
        await rig.broker.management().groups("unknown")


async def test_dead_letters_are_listed_in_pages_and_resolved_once(rig: Rig) -> None:
    """Listing removes nothing; what is gone is passed over."""
    for number in range(3):
        await rig.broker.send([a_message(number, group="g", lane="dead")], timeout_s=1)
    management = rig.broker.management()

    first = await management.dead_letters("t", "g", limit=2)
    rest = await management.dead_letters("t", "g", limit=2, after=first[-1].id)
    assert [entry.id for entry in (*first, *rest)] == ["m0", "m1", "m2"]
    assert await management.resolve("t", "g", ["m0", "m0", "m9"], "purged") == 1
    assert await management.resolve("t", "g", ["m0"], "purged") == 0
    assert (await rig.state()).dead == 2


async def test_one_operator_at_a_time(rig: Rig) -> None:
    """The second is told so, until the first has left or its lease is over."""
    one, two = rig.broker.management(), rig.broker.management()
    async with one.administer("t", "g", lease_s=60):
        with pytest.raises(Busy, match="another operator"):
            async with two.administer("t", "g", lease_s=60):
                pass
        with pytest.raises(Busy):
            await two.resolve("t", "g", [], "purged")
        await one.resolve("t", "g", [], "purged")
        await rig.clock.advance(61)
        async with two.administer("t", "g", lease_s=60):
            pass
    async with two.administer("t", "g", lease_s=60):
        pass


async def test_purging_drops_what_waits_and_nothing_else(rig: Rig) -> None:
    """Not what is in flight, nor dead letters."""
    await rig.declare(GroupSpec("k", "g", "key"))
    for number, key in enumerate(["a", "a", "b"]):
        await rig.send(number, topic="k", key=key)
    await rig.send(7, topic="k", due_at=2000.0)
    await rig.broker.send([a_message(8, topic="k", group="g", lane="dead")], timeout_s=1)
    subscription = await rig.join("k", prefetch=1, order="key")
    await rig.take(subscription)

    assert await rig.broker.management().purge("k", "g") == 3
    state = await rig.state("k")
    assert (state.ready, state.delayed, state.in_flight, state.dead) == (0, 0, 1, 1)


async def test_a_group_with_members_is_not_removed(rig: Rig) -> None:
    """Once they have left, it is gone with what waited for it."""
    subscription = await rig.join()
    management = rig.broker.management()
    with pytest.raises(Busy, match="1 member"):
        await management.remove_group("t", "g")
    await subscription.aclose(timeout_s=1)
    await management.remove_group("t", "g")

    with pytest.raises(TopologyError):
        await management.purge("t", "g")


async def test_spaces_are_apart_and_namespaces_too(rig: Rig, url: str) -> None:
    """A topic of one is not known in another; the same name is the same space."""
    name = url.removeprefix("memory://")
    same = MemoryBroker(MemoryOptions(host=name), BackendContext(FakeClock()))
    other = MemoryBroker(MemoryOptions(host=name), BackendContext(FakeClock(), namespace="x"))

    assert same.space is rig.space
    assert other.space is not rig.space
    assert MemoryBroker(MemoryOptions(), BackendContext(FakeClock())).space.name == "default"


async def test_an_outage_is_told(rig: Rig) -> None:
    """By health while it lasts, and by opening."""
    rig.space.outage = "no power"
    health = await rig.broker.health()
    assert (health.status, "no power" in health.detail) == ("down", True)
    with pytest.raises(BackendUnavailable, match="no power"):
        await rig.broker.open(lambda event: None)

    rig.space.outage = None
    events: list[BackendEvent] = []
    await rig.broker.open(events.append)
    assert [event.kind for event in events] == ["connected"]
    assert (await rig.broker.health()).status == "up"


async def test_a_closed_broker_does_nothing(rig: Rig) -> None:
    """And says so; closing closes its subscriptions."""
    subscription = await rig.join()
    await rig.broker.aclose(timeout_s=1)

    assert (await rig.broker.health()).status == "down"
    with pytest.raises(ClosedError):
        await rig.send(1)
    with pytest.raises(ClosedError):
        await rig.join()
    with pytest.raises(ClosedError):
        await subscription.receive(max_messages=1, wait_s=0)


def test_capabilities_follow_the_options() -> None:
    """What is left out of ``native`` is emulated by core, or not to be had."""
    everything, nothing = (
        capabilities_of(MemoryOptions(native=native)) for native in ("all", "none")
    )

    assert everything.level("priority") is Support.NATIVE
    assert nothing.level("priority") is Support.EMULATED
    assert nothing.level("order_by_key") is Support.UNSUPPORTED
    assert (len(everything.handles), len(nothing.handles)) == (9, 0)
    assert capabilities_of(MemoryOptions(native="ttl,due_at")).handles == {"ttl", "due_at"}


async def test_an_unknown_feature_is_refused_by_name(url: str) -> None:
    """At start, with those there are."""
    app = App(f"{url}?native=ttl,teleport")
    with pytest.raises(ConfigError, match="teleport"):
        await app.start()


async def test_deliveries_of_a_source_of_several_topics_come_in_turn(rig: Rig) -> None:
    """No topic waits until another is empty."""
    await rig.declare(GroupSpec("a", "g"), GroupSpec("b", "g"))
    await rig.send(1, 2, 3, topic="a")
    await rig.send(4, topic="b")
    subscription = await rig.join("a", "b")

    taken = [ids(await rig.take(subscription, 1)) for _ in range(4)]
    assert ["m4"] in taken[:2]
