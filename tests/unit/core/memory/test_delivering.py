"""The memory backend: what is handed out, when, to whom, and in which order."""

from __future__ import annotations

import asyncio

import pytest

from anymq import ClosedError
from anymq.outcome import RELEASE, SETTLED, STALE, Rejected, Retry, Settlement
from anymq.topology import GroupSpec
from tests.unit.core.doubles import a_delivery, turns
from tests.unit.core.memory.conftest import Rig, ids


async def test_messages_come_in_the_order_they_were_sent(rig: Rig) -> None:
    """Once each; no more than asked for."""
    await rig.send(1, 2, 3)
    subscription = await rig.join()

    assert ids(await rig.take(subscription, 2)) == ["m1", "m2"]
    assert ids(await rig.take(subscription)) == ["m3"]
    assert await rig.take(subscription) == []


async def test_members_of_a_group_share_and_groups_do_not(rig: Rig) -> None:
    """Each message once per group; each anonymous subscription has its own copy from now on."""
    await rig.send(1)
    await rig.declare(GroupSpec("t", "g"), GroupSpec("t", "h"))
    private = await rig.join(group=None)
    await rig.send(2)
    first, second = await rig.join(prefetch=1), await rig.join()

    assert ids(await rig.take(first)) == ["m1"]
    assert ids(await rig.take(second)) == ["m2"]
    assert ids(await rig.take(await rig.join(group="h"))) == ["m2"]
    assert ids(await rig.take(private)) == ["m2"]


async def test_no_more_is_out_than_the_prefetch(rig: Rig) -> None:
    """Until something is settled."""
    await rig.send(1, 2, 3)
    subscription = await rig.join(prefetch=2)
    held = await rig.take(subscription)
    assert await rig.take(subscription) == []

    await subscription.settle([Settlement(held[0], RELEASE)], timeout_s=1)

    assert ids(await rig.take(subscription)) == ["m1"]


async def test_waiting_ends_with_a_message_with_time_and_with_stop(rig: Rig) -> None:
    """And not before."""
    subscription = await rig.join()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subscription.receive(max_messages=5, wait_s=10))
        await turns()
        assert not waiting.done()
        await rig.send(1)
        await turns()
        assert ids(waiting.result()) == ["m1"]

        waiting = group.create_task(subscription.receive(max_messages=5, wait_s=10))
        await rig.clock.advance(9.9)
        assert not waiting.done()
        await rig.clock.advance(0.2)
        assert waiting.result() == []

        waiting = group.create_task(subscription.receive(max_messages=5, wait_s=10))
        await turns()
        await subscription.stop()
        await turns()
        assert waiting.result() == []


async def test_a_cancelled_receive_passes_its_message_on(rig: Rig) -> None:
    """The one that waits beside it gets what woke the other."""
    first, second = await rig.join(), await rig.join()
    async with asyncio.TaskGroup() as group:
        one = group.create_task(first.receive(max_messages=1, wait_s=10))
        await turns()
        two = group.create_task(second.receive(max_messages=1, wait_s=10))
        await turns()
        await rig.send(1)
        one.cancel()
        await turns()
        assert ids(two.result()) == ["m1"]


async def test_a_message_that_one_member_leaves_goes_to_another(rig: Rig) -> None:
    """Who was woken for one topic and took from another passes the wake-up on."""
    await rig.declare(GroupSpec("a", "g"), GroupSpec("b", "g"))
    both, only_b = await rig.join("a", "b", prefetch=1), await rig.join("b", prefetch=1)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(both.receive(max_messages=1, wait_s=10))
        await turns()
        second = group.create_task(only_b.receive(max_messages=1, wait_s=10))
        await turns()
        await rig.send(1, topic="b")
        await rig.send(2, topic="a")
        await turns()
        assert ids(first.result()) == ["m2"]
        assert ids(second.result()) == ["m1"]


async def test_a_pause_hands_out_nothing_and_stop_nothing_more(rig: Rig) -> None:
    """A resumed one goes on at once; settling works all the while."""
    subscription = await rig.join()
    await rig.send(1, 2, 3)
    (held,) = await rig.take(subscription, 1)
    await subscription.pause()
    assert await rig.take(subscription) == []
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subscription.receive(max_messages=1, wait_s=10))
        await turns()
        await subscription.resume()
        await turns()
        assert ids(waiting.result()) == ["m2"]

    await subscription.stop()
    assert await rig.take(subscription) == []
    assert await subscription.settle([Settlement(held, RELEASE)], timeout_s=1) == [SETTLED]


async def test_what_is_not_kept_goes_to_others_when_its_lease_ends(rig: Rig) -> None:
    """Counted and flagged; its holder is told, and can no longer settle it."""
    subscription, other = await rig.join(), await rig.join()
    await rig.send(1, 2)
    kept, lost = await rig.take(subscription)
    await rig.clock.advance(29)
    assert await subscription.keep([kept]) == []
    await rig.clock.advance(2)

    assert rig.lost == [lost]
    assert await subscription.keep([kept, lost]) == [lost]
    assert await subscription.settle([Settlement(lost, RELEASE)], timeout_s=1) == [STALE]
    (again,) = await rig.take(other)
    assert (again.id, again.delivery_count, again.redelivered) == ("m2", 2, True)


async def test_leaving_gives_back_what_was_held_uncounted(rig: Rig) -> None:
    """In order, before what was behind it, at once; leaving twice is leaving once."""
    subscription, other = await rig.join(prefetch=2), await rig.join()
    await rig.send(1, 2, 3)
    await rig.take(subscription)
    await subscription.aclose(timeout_s=1)
    await subscription.aclose(timeout_s=1)

    again = await rig.take(other)
    assert ids(again) == ["m1", "m2", "m3"]
    assert [delivery.delivery_count for delivery in again] == [1, 1, 1]
    with pytest.raises(ClosedError):
        await subscription.receive(max_messages=1, wait_s=0)


async def test_a_vanished_process_leaves_its_deliveries_counted(rig: Rig) -> None:
    """As a crash does."""
    await rig.send(1)
    subscription = await rig.join()
    await rig.take(subscription)
    rig.broker.abandon()

    assert (await rig.state()).members == 0
    assert rig.space.topics["t"].groups["g"].waiting == 1
    with pytest.raises(ClosedError):
        await rig.send(2)


async def test_a_delayed_message_comes_at_its_moment(rig: Rig) -> None:
    """Not before; a receive that waits for it wakes then."""
    subscription = await rig.join()
    await rig.send(1, due_at=1010.0)
    await rig.send(2, due_at=1005.0)
    assert await rig.take(subscription) == []
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subscription.receive(max_messages=5, wait_s=60))
        await rig.clock.advance(4.9)
        assert not waiting.done()
        await rig.clock.advance(0.2)
        assert ids(waiting.result()) == ["m2"]
        waiting = group.create_task(subscription.receive(max_messages=5, wait_s=60))
        await rig.clock.advance(5)
        assert ids(waiting.result()) == ["m1"]


async def test_a_retry_comes_after_its_delay_with_the_message_to_keep(rig: Rig) -> None:
    """Its deliveries are counted anew, and it is flagged."""
    subscription = await rig.join()
    await rig.send(1)
    (held,) = await rig.take(subscription)
    kept = a_delivery(1, attempt=2).message
    await subscription.settle([Settlement(held, Retry(5.0), kept)], timeout_s=1)
    assert (await rig.state()).delayed == 1

    await rig.clock.advance(5)
    (again,) = await rig.take(subscription)
    assert (again.attempt, again.delivery_count, again.redelivered) == (2, 1, True)


async def test_what_is_too_old_is_not_delivered(rig: Rig) -> None:
    """It is dropped when its turn comes."""
    subscription = await rig.join()
    await rig.send(1, expires_at=1005.0)
    await rig.send(2, expires_at=1020.0)
    await rig.clock.advance(10)

    assert ids(await rig.take(subscription)) == ["m2"]
    assert (await rig.state()).ready == 0


async def test_higher_priorities_first_and_none_starves(rig: Rig) -> None:
    """One in eight is taken from the lowest that waits."""
    await rig.declare(GroupSpec("p", "g"))
    subscription = await rig.join("p", prefetch=100)
    for number in range(4):
        await rig.send(number, topic="p", priority=0)
    for batch in range(0, 20, 5):
        group = rig.space.topics["p"].groups["g"]
        for number in range(batch, batch + 5):
            group.push(a_delivery(100 + number, topic="p", priority=2).message)

    taken = [delivery.message.priority for delivery in await rig.take(subscription, 16)]
    assert taken.count(0) == 2
    assert taken[:7] == [2] * 7


async def test_a_full_group_rejects_and_hides_nothing(rig: Rig) -> None:
    """The limit is per group; what fits is stored."""
    results = await rig.send(1, 2, 3, 4, 5, 6)

    assert [getattr(result, "code", None) for result in results] == [None] * 5 + ["full"]


async def test_an_atomic_batch_is_stored_whole_or_not_at_all(rig: Rig) -> None:
    """One bad entry rejects every one."""
    messages = [a_delivery(n).message for n in range(6)]
    unknown = a_delivery(9, topic="unknown").message

    for batch in (messages, [messages[0], unknown]):
        results = await rig.broker.send(batch, timeout_s=1, atomic=True)
        assert all(isinstance(result, Rejected) for result in results)
    assert (await rig.state()).ready == 0


@pytest.mark.parametrize("group", [None, "nobody"])
async def test_an_unknown_address_is_not_found(rig: Rig, group: str | None) -> None:
    """Neither topic nor group; the text says how to declare."""
    topic = "t" if group else "unknown"
    (result,) = await rig.send(1, topic=topic, group=group)

    assert isinstance(result, Rejected)
    assert result.code == "not_found"
    assert "topology" in result.reason
