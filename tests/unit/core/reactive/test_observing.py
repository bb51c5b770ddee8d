"""Streams as Observables: bounded, and ended with their subscription."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from reactivex import operators

from anymq import LATEST, App
from anymq.events import AppEvent, HookFailed
from anymq.reactive import map_async, to_async_iterable
from anymq.streams.handle import StreamHandle
from anymq.streams.record import StreamRecord
from tests.unit.core.doubles import turns, until
from tests.unit.core.reactive.flowing import drain, twice


def readers(app: App) -> int:
    """How many readers are open on the backend."""
    narrow: Any = app._lifecycle.streams._stream
    return len(narrow._readers)


def value_of(record: StreamRecord[int]) -> int:
    """A record's number."""
    return record.value


class Gated:
    """An async function that ends when a test says so."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.gates: dict[int, asyncio.Future[None]] = {}
        self.cancelled: list[int] = []

    async def __call__(self, record: StreamRecord[int]) -> int:
        number = record.value
        self.begun.append(number)
        self.gates[number] = asyncio.get_running_loop().create_future()
        try:
            await self.gates[number]
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        return number

    def release(self, *numbers: int) -> None:
        for number in numbers:
            self.gates[number].set_result(None)


async def test_the_function_holds_the_source(stream: StreamHandle[int]) -> None:
    """As many calls as were asked for, and no record read ahead of them."""
    function, pushed = Gated(), list[int]()
    results: list[int] = []

    def note(record: StreamRecord[int]) -> None:
        pushed.append(record.value)

    subscription = (
        stream.observable(prefetch=1)
        .pipe(operators.do_action(note), map_async(function, 3))
        .subscribe(results.append)
    )
    await until(lambda: len(function.begun) == 3)
    await turns(100)
    assert (function.begun, pushed, results) == ([0, 1, 2], [0, 1, 2], [])

    function.release(0)
    await until(lambda: len(function.begun) == 4)
    await turns(100)
    assert (pushed, results) == ([0, 1, 2, 3], [0])
    subscription.dispose()


async def test_results_come_in_order_unless_they_need_not(stream: StreamHandle[int]) -> None:
    """What waits for an earlier one keeps its place among those that run."""
    for ordered, expected in ((True, [0, 1, 2]), (False, [2, 1, 0])):
        function, results = Gated(), list[int]()
        observable = stream.observable().pipe(map_async(function, 3, ordered=ordered))
        subscription = observable.subscribe(results.append)
        await until(lambda: len(function.begun) == 3)  # noqa: B023 - awaited here
        for number in (2, 1, 0):
            function.release(number)
            await turns(20)
            assert ordered is False or len(function.begun) <= 3 or number == 0
        await until(lambda: len(results) == 3)  # noqa: B023 - as above
        assert results == expected
        subscription.dispose()


async def test_disposing_closes_the_reader_and_cancels_what_runs(
    stream: StreamHandle[int], app: App
) -> None:
    """At once, and nothing is told as a failure."""
    function, errors = Gated(), list[Exception]()
    subscription = (
        stream.observable().pipe(map_async(function, 2)).subscribe(on_error=errors.append)
    )
    await until(lambda: len(function.begun) == 2)
    assert readers(app) == 1

    subscription.dispose()
    await until(lambda: readers(app) == 0)

    assert (function.cancelled, errors) == ([0, 1], [])


async def test_disposing_from_another_thread_works(stream: StreamHandle[int], app: App) -> None:
    """The loop does the work."""
    subscription = stream.observable(LATEST).subscribe()
    await until(lambda: readers(app) == 1)

    thread = threading.Thread(target=subscription.dispose)
    thread.start()
    await until(lambda: readers(app) == 0)
    thread.join(5)


async def test_enough_is_enough(stream: StreamHandle[int], app: App) -> None:
    """An operator that has what it wants ends the reading."""
    got = [
        value
        async for value in to_async_iterable(
            stream.observable().pipe(
                operators.map(value_of),
                operators.filter(is_odd),
                operators.take(3),
            )
        )
    ]
    await until(lambda: readers(app) == 0)

    assert got == [1, 3, 5]


def is_odd(value: int) -> bool:
    """For a filter."""
    return value % 2 == 1


async def test_to_the_end_it_completes_with_what_still_runs(stream: StreamHandle[int]) -> None:
    """The last results are not cut off."""

    async def slowly(record: StreamRecord[int]) -> int:
        await asyncio.sleep(0.001)
        return record.value

    observable = stream.observable(follow=False).pipe(map_async(slowly, 7), map_async(twice, 3))

    assert [value async for value in to_async_iterable(observable)] == [2 * n for n in range(200)]


async def test_a_slow_loop_holds_everything_before_it(stream: StreamHandle[int]) -> None:
    """Through an async stage and synchronous operators between."""
    pushed: list[int] = []

    async def read(record: StreamRecord[int]) -> int:
        return record.value

    def push(record: StreamRecord[int]) -> None:
        pushed.append(record.value)

    observable = stream.observable(follow=False, prefetch=1).pipe(
        operators.do_action(push),
        map_async(read, 2),
        operators.map(one_more),
    )
    items = to_async_iterable(observable, max_buffered=5)
    assert await anext(items) == 1
    await turns(200)
    assert len(pushed) <= 10
    assert [value async for value in items] == list(range(2, 201))


def one_more(value: int) -> int:
    """For a map."""
    return value + 1


async def test_the_first_error_ends_it(stream: StreamHandle[int], app: App) -> None:
    """What came before it was emitted; the reader is closed."""

    async def fails(record: StreamRecord[int]) -> int:
        if record.value == 5:
            raise LookupError("five")
        return record.value

    got: list[int] = []
    with pytest.raises(LookupError, match="five"):
        await drain(to_async_iterable(stream.observable().pipe(map_async(fails, 3))), got)
    await until(lambda: readers(app) == 0)

    assert got == [0, 1, 2, 3, 4]


async def test_an_observer_that_raises_is_told(
    stream: StreamHandle[int], app: App, events: list[AppEvent]
) -> None:
    """Its own reading ends with it, and others go on."""

    def raises(record: Any) -> None:
        raise LookupError("on purpose")

    seen: list[int] = []
    stream.observable(follow=False).subscribe(raises)
    stream.observable(follow=False).subscribe(lambda record: seen.append(record.value))
    await until(lambda: len(seen) == 200 and readers(app) == 0)

    (failed,) = [event for event in events if isinstance(event, HookFailed)]
    assert failed.error == "LookupError: on purpose"
