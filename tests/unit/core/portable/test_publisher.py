"""Many concurrent publishes become few sends, and every one of them gets its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from anymq import BufferFull, ClosedError, Confirmed, PublishRejected, PublishUnknown
from anymq.errors import BackendUnavailable
from anymq.message import Message
from anymq.outcome import CONFIRMED, Rejected, SendResult, Unknown
from anymq.portable.publisher import SENDS, Publisher
from anymq.support.clock import SystemClock
from tests.unit.core.doubles import FakeBroker, a_message, turns, until

Answer = Callable[[Sequence[Message]], Awaitable[Sequence[SendResult]]]


class Gate:
    """Sends wait until they are let through, one by one or all."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.is_open = False

    async def __call__(self, messages: Sequence[Message]) -> Sequence[SendResult]:
        if not self.is_open:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append(waiter)
            await waiter
        return [CONFIRMED] * len(messages)

    def let(self) -> None:
        """Let the send that has waited longest through."""
        self.waiting.pop(0).set_result(None)

    def open(self) -> None:
        self.is_open = True
        while self.waiting:
            self.let()


@asynccontextmanager
async def publishing(
    broker: FakeBroker, **options: Any
) -> AsyncIterator[tuple[Publisher, asyncio.TaskGroup]]:
    """A publisher, and the group of its sends and of the publishes of a test."""
    given: dict[str, Any] = {"max_batch": 100, "clock": SystemClock(), **options}
    async with asyncio.TaskGroup() as group:
        yield Publisher(broker, spawn=group.create_task, **given), group


async def test_what_is_published_in_one_turn_leaves_in_one_send() -> None:
    """A hundred concurrent publishes cost one round trip."""
    broker = FakeBroker()
    async with publishing(broker) as (publisher, group):
        for number in range(100):
            group.create_task(publisher.publish(a_message(number), 5))

    assert broker.bodies == [[b"%d" % number for number in range(100)]]


async def test_a_lone_publish_waits_for_nobody() -> None:
    """It leaves in the next turn of the loop: there is no timer."""
    broker = FakeBroker()
    async with publishing(broker) as (publisher, group):
        group.create_task(publisher.publish(a_message(), 5))
        await turns(3)

        assert len(broker.sent) == 1


async def test_no_send_is_larger_than_the_backend_takes() -> None:
    """What is more is cut into several sends, in order."""
    broker = FakeBroker()
    async with publishing(broker, max_batch=2) as (publisher, group):
        for number in range(5):
            group.create_task(publisher.publish(a_message(number), 5))
        results = group.create_task(
            publisher.publish_many([a_message(number) for number in range(5, 8)], 5)
        )

    assert broker.bodies == [[b"0", b"1"], [b"2", b"3"], [b"4"], [b"5", b"6"], [b"7"]]
    assert results.result() == [CONFIRMED] * 3


async def test_at_most_four_sends_overlap() -> None:
    """The fifth begins when one of them ends."""
    gate = Gate()
    broker = FakeBroker(gate)
    async with publishing(broker, max_batch=1) as (publisher, group):
        for number in range(6):
            group.create_task(publisher.publish(a_message(number), 5))
        await until(lambda: len(gate.waiting) == SENDS)
        await turns()
        assert len(broker.sent) == SENDS
        gate.let()
        await until(lambda: len(broker.sent) == SENDS + 1)
        gate.open()

    assert broker.peak == SENDS
    assert broker.bodies == [[b"%d" % number] for number in range(6)]


async def test_a_rejected_publish_raises_and_hides_no_other() -> None:
    """The result at its place is its own; neighbours are confirmed."""

    async def answer(messages: Sequence[Message]) -> Sequence[SendResult]:
        return [CONFIRMED, Rejected("not_found", "no such topic"), CONFIRMED]

    async with publishing(FakeBroker(answer)) as (publisher, group):
        tasks = [group.create_task(caught(publisher, a_message(n))) for n in range(3)]

    first, second, third = (task.result() for task in tasks)
    assert (first, third) == (None, None)
    assert isinstance(second, PublishRejected)
    assert (second.code, str(second)) == ("not_found", "no such topic")


async def test_a_full_backend_is_a_full_buffer() -> None:
    """Its code names BufferFull, which is transient."""

    async def answer(messages: Sequence[Message]) -> Sequence[SendResult]:
        return [Rejected("full")]

    async with publishing(FakeBroker(answer)) as (publisher, _):
        with pytest.raises(BufferFull, match="full"):
            await publisher.publish(a_message(), 5)


async def test_what_ended_unknown_is_repeated_with_its_id_until_it_is_known() -> None:
    """Only what is unknown is sent again, and says that it may be there twice."""
    answers: list[list[SendResult]] = [[CONFIRMED, Unknown("lost")], [Unknown("?")], [CONFIRMED]]

    async def answer(messages: Sequence[Message]) -> Sequence[SendResult]:
        return answers.pop(0)

    broker = FakeBroker(answer)
    async with publishing(broker) as (publisher, group):
        for number in range(2):
            group.create_task(publisher.publish(a_message(number), 5))

    assert [[m.id for m in batch] for batch in broker.sent] == [["m0", "m1"], ["m1"], ["m1"]]
    assert [batch[-1].meta.get("anymq-repeated") for batch in broker.sent] == [None, "1", "1"]


async def test_what_stays_unknown_raises_when_its_time_is_up() -> None:
    """The error holds the id to publish again, and what was the matter."""

    async def answer(messages: Sequence[Message]) -> Sequence[SendResult]:
        return [Unknown("the connection was cut")]

    broker = FakeBroker(answer)
    async with publishing(broker) as (publisher, _):
        with pytest.raises(PublishUnknown, match="connection was cut") as caught:
            await publisher.publish(a_message(3), 0.2)

    assert caught.value.message_id == "m3"
    assert len(broker.sent) >= 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda m: _raise(BackendUnavailable("broken pipe")), "unavailable: broken pipe"),
        (lambda m: _raise(LookupError("a bug")), "LookupError: a bug"),
        (lambda m: _give([CONFIRMED, CONFIRMED]), "2 results for 1 messages"),
    ],
)
async def test_whatever_a_plugin_does_its_publishes_end(answer: Answer, told: str) -> None:
    """A send that raises, or gives the wrong number of results, leaves them unknown."""
    async with publishing(FakeBroker(answer)) as (publisher, _):
        with pytest.raises(PublishUnknown, match=told):
            await publisher.publish(a_message(), 0.01)


async def test_a_send_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Core waits its own limit and a margin, whatever the plugin does."""
    monkeypatch.setattr("anymq.portable.send_batch.MARGIN_S", 0.01)
    async with publishing(FakeBroker(Gate())) as (publisher, _):
        with pytest.raises(PublishUnknown, match="no answer"):
            await publisher.publish(a_message(), 0.01)


async def test_a_publish_cancelled_before_it_left_is_not_sent() -> None:
    """And its neighbours in the batch are."""
    gate = Gate()
    broker = FakeBroker(gate)
    async with publishing(broker, max_batch=2) as (publisher, group):
        for number in range(8):
            group.create_task(publisher.publish(a_message(number), 5))
        waiting = [group.create_task(publisher.publish(a_message(n), 5)) for n in (8, 9)]
        await until(lambda: len(gate.waiting) == SENDS)
        waiting[0].cancel()
        await turns()
        gate.open()

    assert waiting[0].cancelled()
    assert broker.bodies[-1] == [b"9"]


async def test_a_batch_of_which_all_were_cancelled_is_not_sent() -> None:
    """An empty send would be a round trip for nobody; those behind it still leave."""
    gate = Gate()
    broker = FakeBroker(gate)
    async with publishing(broker, max_batch=1) as (publisher, group):
        tasks = [group.create_task(publisher.publish(a_message(n), 5)) for n in range(6)]
        await until(lambda: len(gate.waiting) == SENDS)
        tasks[4].cancel()
        await turns()
        gate.open()

    assert [b for batch in broker.bodies for b in batch] == [b"0", b"1", b"2", b"3", b"5"]


async def test_cancelling_a_publish_on_its_way_does_not_cancel_the_batch() -> None:
    """Its neighbour is confirmed; its own message may be stored."""
    gate = Gate()
    async with publishing(FakeBroker(gate)) as (publisher, group):
        first, second = (group.create_task(publisher.publish(a_message(n), 5)) for n in range(2))
        await until(lambda: gate.waiting)
        first.cancel()
        await turns()
        gate.open()

    assert first.cancelled()
    assert second.result() is None


async def caught(publisher: Publisher, message: Message, timeout_s: float = 5) -> Any:
    try:
        return await publisher.publish(message, timeout_s)
    except (PublishRejected, PublishUnknown, ClosedError) as error:
        return error


async def _raise(error: Exception) -> Sequence[SendResult]:
    raise error


async def _give(results: list[Confirmed]) -> Sequence[SendResult]:
    return results
