"""The buffer between intake and slots, with and without order by key."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from anymq.message import Delivery
from anymq.portable.buffer import Buffer
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.doubles import a_delivery, turns


def _keyed(*pairs: tuple[int, str | None]) -> list[Delivery]:
    return [a_delivery(number, key=key) for number, key in pairs]


def _ready(buffer: Buffer) -> list[int]:
    return [delivery.token for delivery in buffer.ready]


def _take(buffer: Buffer) -> Delivery:
    return buffer.ready.popleft()


def test_without_order_everything_is_ready() -> None:
    """In the order in which it came, keys or not."""
    buffer = Buffer(FakeClock(), by_key=False)

    buffer.put(_keyed((1, "a"), (2, "a"), (3, None)))

    assert _ready(buffer) == [1, 2, 3]
    assert len(buffer) == 3


def test_one_message_per_key_is_ready() -> None:
    """The second of a key waits for the first; others pass it; no key never waits."""
    buffer = Buffer(FakeClock(), by_key=True)

    buffer.put(_keyed((1, "a"), (2, "a"), (3, "b"), (4, None), (5, None)))

    assert _ready(buffer) == [1, 3, 4, 5]
    assert len(buffer) == 5


def test_the_next_of_a_key_comes_when_the_first_has_finished() -> None:
    """At the front: it has waited longer than anybody that is ready."""
    buffer = Buffer(FakeClock(), by_key=True)
    buffer.put(_keyed((1, "a"), (2, "a"), (3, "b")))

    buffer.finished(_take(buffer))

    assert _ready(buffer) == [2, 3]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_keys_are_served_one_at_a_time_and_in_order(script: list[tuple[str, bool]]) -> None:
    """Whatever is interleaved: per key never two at once, and never a later before an earlier."""
    buffer = Buffer(FakeClock(), by_key=True)
    running: dict[str, Delivery] = {}
    served: dict[str, list[int]] = {key: [] for key in "abc"}
    for number, (key, is_taken) in enumerate(script):
        buffer.put([a_delivery(number, key=key)])
        if is_taken and buffer.ready:
            taken = _take(buffer)
            assert taken.key not in running
            running[str(taken.key)] = taken
            served[str(taken.key)].append(taken.token)
        elif running:
            buffer.finished(running.pop(next(iter(running))))
    while buffer.ready or running:
        while buffer.ready:
            taken = _take(buffer)
            running[str(taken.key)] = taken
            served[str(taken.key)].append(taken.token)
        buffer.finished(running.pop(next(iter(running))))

    for key, numbers in served.items():
        assert numbers == [n for n, (wanted, _) in enumerate(script) if wanted == key]


def test_a_finished_key_is_free_again() -> None:
    """Nothing of it is kept once nobody waits; a new message of it is ready at once."""
    buffer = Buffer(FakeClock(), by_key=True)
    buffer.put(_keyed((1, "a")))
    buffer.finished(_take(buffer))

    buffer.put(_keyed((2, "a")))

    assert _ready(buffer) == [2]


async def test_what_is_held_comes_back_first_and_keeps_its_key() -> None:
    """After its delay, before others; meanwhile nobody of its key starts."""
    clock = FakeClock()
    buffer = Buffer(clock, by_key=True)
    buffer.put(_keyed((1, "a"), (2, "a"), (3, "b")))
    buffer.hold(_take(buffer), 5.0)

    await clock.advance(4.9)
    assert _ready(buffer) == [3]
    await clock.advance(0.2)

    assert _ready(buffer) == [1, 3]
    assert len(buffer) == 3


def test_what_is_lost_is_taken_out_wherever_it_is() -> None:
    """Ready, behind its key, or held; only what was there is returned."""
    buffer = Buffer(FakeClock(), by_key=True)
    buffer.put(_keyed((1, "a"), (2, "a"), (3, "b"), (4, "c"), (5, "b")))
    held = buffer.ready[1]
    buffer.ready.remove(held)
    buffer.hold(held, 5.0)

    gone = buffer.remove([a_delivery(n) for n in (2, 3, 4, 99)])

    assert sorted(d.token for d in gone) == [2, 3, 4]
    assert _ready(buffer) == [5, 1]
    assert len(buffer) == 2


async def test_a_held_delivery_that_was_lost_does_not_come_back() -> None:
    """Its timer is taken back, and its key is free."""
    clock = FakeClock()
    buffer = Buffer(clock, by_key=True)
    buffer.put(_keyed((1, "a"), (2, "a")))
    buffer.hold(_take(buffer), 5.0)

    buffer.remove([a_delivery(1)])
    await clock.advance(10)

    assert _ready(buffer) == [2]


async def test_draining_takes_everything_in_order() -> None:
    """Ready first, then what is held, then what waits behind a key; nothing comes afterwards."""
    clock = FakeClock()
    buffer = Buffer(clock, by_key=True)
    buffer.put(_keyed((1, "a"), (2, "a"), (3, "b"), (4, "c")))
    held = buffer.ready[1]
    buffer.ready.remove(held)
    buffer.hold(held, 5.0)

    assert [d.token for d in buffer.drain()] == [1, 4, 3, 2]

    await clock.advance(10)
    assert len(buffer) == 0
    buffer.put(_keyed((5, "a"), (6, "b")))
    assert _ready(buffer) == [5, 6]


def test_after_draining_a_key_that_runs_stays_taken() -> None:
    """Until its handler has finished: a message that comes meanwhile waits behind it."""
    buffer = Buffer(FakeClock(), by_key=True)
    buffer.put(_keyed((1, "a"), (2, "a")))
    running = _take(buffer)

    assert [d.token for d in buffer.drain()] == [2]
    buffer.put(_keyed((3, "a")))

    assert _ready(buffer) == []
    buffer.finished(running)
    assert _ready(buffer) == [3]


async def test_a_message_wakes_a_slot_that_waits() -> None:
    """As many as there are messages, not all of them."""
    buffer = Buffer(FakeClock(), by_key=False)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(buffer.wait()) for _ in range(3)]
        await turns()
        buffer.put(_keyed((1, None), (2, None)))
        await turns()
        assert [task.done() for task in waiting] == [True, True, False]
        buffer.wake(5)


async def test_a_slot_that_gave_up_waiting_is_not_woken() -> None:
    """The wake-up goes to the next one, who is there."""
    buffer = Buffer(FakeClock(), by_key=False)
    async with asyncio.TaskGroup() as group:
        first, second = group.create_task(buffer.wait()), group.create_task(buffer.wait())
        await turns()
        first.cancel()
        await turns()
        buffer.put(_keyed((1, None)))
        await turns()

    assert first.cancelled()
    assert second.done()


async def test_waiting_may_have_a_limit() -> None:
    """By the clock of the application."""
    clock = FakeClock()
    buffer = Buffer(clock, by_key=False)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(buffer.wait(2.0))
        await clock.advance(1.9)
        assert not waiting.done()
        await clock.advance(0.2)

    assert waiting.done()
