"""The memory backend: order by key, and subscriptions to patterns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from anymq.memory.group import Group, Item, Waiting
from anymq.message import Delivery
from anymq.outcome import ACK, RELEASE, Settlement
from anymq.topology import GroupSpec, TopicSpec
from tests.unit.core.doubles import a_message
from tests.unit.core.memory.conftest import Rig, ids


async def test_a_key_is_out_once_at_a_time(rig: Rig) -> None:
    """Whoever asks: the next of it comes when the first is settled."""
    await rig.declare(GroupSpec("k", "g", "key"))
    first, second = await rig.join("k", order="key"), await rig.join("k", order="key")
    for number, key in enumerate(["a", "a", "b", None, "a"]):
        await rig.send(number, topic="k", key=key)

    taken = await rig.take(first)
    assert ids(taken) == ["m0", "m2", "m3"]
    assert await rig.take(second) == []
    await first.settle([Settlement(taken[0], ACK)], timeout_s=1)
    (next_,) = await rig.take(second)
    assert next_.id == "m1"
    await second.settle([Settlement(next_, RELEASE)], timeout_s=1)
    assert ids(await rig.take(first)) == ["m1"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["take", "ack", "release"]))))
def test_a_group_keeps_the_order_of_every_key(script: list[tuple[str, str]]) -> None:
    """Whatever is taken, acknowledged and given back in between, per key in order and alone."""
    group = Group("t", "g", by_key=True)
    out: dict[str, Delivery] = {}
    done: dict[str, list[int]] = {"a": [], "b": []}
    sent: dict[str, list[int]] = {"a": [], "b": []}

    def take() -> None:
        items: list[Item] = []
        group.take(1, 0.0, items)
        for item in items:
            message = item.message if isinstance(item, Waiting) else item
            key = str(message.key)
            assert key not in out
            out[key] = Delivery(message, "g", message.id, delivery_count=1)

    def ack(key: str) -> None:
        delivery = out.pop(key)
        group.free(delivery)
        done[key].append(int(delivery.body))

    for number, (key, action) in enumerate(script):
        sent[key].append(number)
        group.push(a_message(number, key=key))
        if action == "take":
            take()
        elif key in out and action == "ack":
            ack(key)
        elif key in out:
            group.give_back(out.pop(key), uncounted=True)
    for _ in range(2 * len(script) + 2):
        take()
        for key in list(out):
            ack(key)

    assert done == sent
    assert (group.waiting, group.in_flight) == (0, 0)


async def test_a_pattern_hears_every_topic_it_means(rig: Rig) -> None:
    """Named groups from their declaration on, anonymous ones from now on; other topics not."""
    names = ("news.sport", "news.art", "weather")
    await rig.declare(GroupSpec("news.#", "g"), topics=[TopicSpec(name) for name in names])
    named, private = await rig.join("news.#"), await rig.join("news.*", group=None)
    for number, topic in enumerate(["news.sport", "weather", "news.art"]):
        await rig.send(number, topic=topic)

    assert ids(await rig.take(named)) == ["m0", "m2"]
    assert ids(await rig.take(private)) == ["m0", "m2"]
    states = {(state.topic, state.name) for state in await rig.broker.management().groups()}
    assert ("news.#", "g") in states


async def test_a_retry_of_a_pattern_goes_to_its_group_alone(rig: Rig) -> None:
    """Its address is the topic and the group, whose declaration is the pattern."""
    await rig.declare(GroupSpec("news.#", "g"), topics=[TopicSpec("news.sport")])
    named, private = await rig.join("news.#"), await rig.join("news.sport", group=None)

    await rig.send(1, topic="news.sport", group="g", lane="retry")

    assert ids(await rig.take(named)) == ["m1"]
    assert await rig.take(private) == []


async def test_an_anonymous_subscription_leaves_nothing_behind(rig: Rig) -> None:
    """Neither its group nor its pattern."""
    for topics in (("t",), ("#",)):
        subscription = await rig.join(*topics, group=None)
        await subscription.aclose(timeout_s=1)

    assert rig.space.topics["t"].anonymous == set()
    assert rig.space.wildcards == []
