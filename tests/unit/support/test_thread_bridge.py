"""Threads beside the loop: calls arrive in order and in few wake-ups, and threads end in time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from anymq.support.thread_bridge import OwnedThread, ThreadBridge

LIMIT_S = 5.0


async def test_calls_of_a_thread_arrive_in_order_on_the_loop() -> None:
    """Ten thousand calls, none lost, none overtaken, all in the loop's thread."""
    bridge = ThreadBridge(asyncio.get_running_loop())
    seen: list[int] = []
    places: set[int] = set()
    done = asyncio.Event()

    def note(number: int) -> None:
        seen.append(number)
        places.add(threading.get_ident())

    def run() -> None:
        for number in range(10_000):
            bridge.call(note, number)
        bridge.call(done.set)

    thread = OwnedThread(run, name="unit-order", bridge=bridge)
    thread.start()
    async with asyncio.timeout(LIMIT_S):
        await done.wait()

    assert seen == list(range(10_000))
    assert places == {threading.get_ident()}
    assert await thread.join(timeout_s=LIMIT_S)


async def test_many_calls_cost_one_wake_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called before the loop turns rides in one call_soon_threadsafe."""
    loop = asyncio.get_running_loop()
    wakes = 0
    original = loop.call_soon_threadsafe

    def counting(*args: object) -> object:
        nonlocal wakes
        wakes += 1
        return original(*args)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(loop, "call_soon_threadsafe", counting)
    bridge = ThreadBridge(loop)
    seen: list[int] = []

    for number in range(100):
        bridge.call(seen.append, number)
    await asyncio.sleep(0)

    assert seen == list(range(100))
    assert wakes == 1


async def test_a_call_that_raises_keeps_none_of_the_others() -> None:
    """The loop's handler hears of the error; later calls still come."""
    loop = asyncio.get_running_loop()
    reported: list[object] = []
    loop.set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
    bridge = ThreadBridge(loop)
    later = asyncio.Event()
    error = ValueError("first")

    def fail() -> None:
        raise error

    bridge.call(fail)
    bridge.call(later.set)
    async with asyncio.timeout(LIMIT_S):
        await later.wait()

    assert reported == [error]


def test_calls_after_the_loop_closed_are_dropped() -> None:
    """Threads that outlive their loop neither raise nor pile up calls."""
    loop = asyncio.new_event_loop()
    bridge = ThreadBridge(loop)
    loop.close()
    seen: list[int] = []

    bridge.call(seen.append, 1)
    bridge.call(seen.append, 2)

    assert seen == []


async def test_join_is_bounded_and_can_be_repeated() -> None:
    """A thread that does not stop is reported as alive; one that stops is gone when told."""
    bridge = ThreadBridge(asyncio.get_running_loop())
    stop = threading.Event()
    thread = OwnedThread(lambda: void(stop.wait(LIMIT_S)), name="unit-join", bridge=bridge)
    thread.start()

    assert not await thread.join(timeout_s=0.02)
    assert thread.is_alive
    stop.set()

    assert await thread.join(timeout_s=LIMIT_S)
    assert not thread.is_alive
    assert await thread.join(timeout_s=LIMIT_S)


async def test_the_error_that_ended_a_thread_is_told_on_the_loop() -> None:
    """Loops die loudly: on_end has the exception itself, or None after a clean end."""
    bridge = ThreadBridge(asyncio.get_running_loop())
    told: list[Exception | None] = []
    error = OSError("gone")

    def fail() -> None:
        raise error

    for run in (fail, lambda: None):
        thread = OwnedThread(run, name="unit-end", bridge=bridge, on_end=told.append)
        thread.start()
        assert await thread.join(timeout_s=LIMIT_S)

    assert told == [error, None]


def void(_value: object) -> None:
    """Drop a value."""
