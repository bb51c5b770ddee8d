"""From async iterables to Observables: each subscription pulls for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Generic, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable

from anymq.reactive.home import Holds, pushing

__all__ = ["Spawn", "from_async_iterable", "observe"]

T = TypeVar("T")

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


def observe(items: Callable[[], AsyncIterable[T]], spawn: Spawn) -> Observable[T]:
    """A cold Observable: a subscription begins an iteration, and disposing of it ends it."""

    def subscribe(
        observer: ObserverBase[T], scheduler: SchedulerBase | None = None
    ) -> DisposableBase:
        pump = _Pump(items, observer)
        loop = asyncio.get_running_loop()
        task = spawn(pump.run())

        def dispose() -> None:
            pump.is_disposed = True
            if pump.is_ended:
                return  # reactivex disposes at the end, too: what operators still run goes on
            if _is_here(loop):
                task.cancel()
            elif not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

        return Disposable(dispose)

    return Observable(subscribe)


def from_async_iterable(
    items: AsyncIterable[T] | Callable[[], AsyncIterable[T]], *, group: asyncio.TaskGroup
) -> Observable[T]:
    """An Observable of an async iterable, pulled in a task of ``group`` as fast as it is used.

    ``items`` may be a function that gives an iterable to each subscription; an async generator
    itself can be subscribed to once. Disposing closes the iterator. An observer that raises ends
    the group with its error.
    """
    return observe(items if callable(items) else lambda: items, group.create_task)


class _Pump(Generic[T]):
    """One subscription: pulls an item, pushes it, and waits for whoever asks it to."""

    def __init__(self, items: Callable[[], AsyncIterable[T]], observer: ObserverBase[T]) -> None:
        self.is_disposed = False
        self.is_ended = False
        """Everything was pushed; operators may still be at work."""
        self._items = items
        self._observer = observer
        self._holds = Holds()
        self._tasks: asyncio.TaskGroup

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._tasks.create_task(work)

    def hold(self, until: asyncio.Future[None]) -> bool:
        self._holds.add(until)
        return True

    async def run(self) -> None:
        """Until the end of the items, an error, or disposal. Raises what an observer raised."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._push_all()
        except ExceptionGroup as error:
            raise _single(error) from None

    async def _push_all(self) -> None:
        failure: Exception | None = None
        async with AsyncExitStack() as closing:
            iterator = aiter(self._items())
            if isinstance(iterator, AsyncGenerator):
                closing.push_async_callback(iterator.aclose)
            while not self.is_disposed:
                try:
                    item = await anext(iterator)
                except StopAsyncIteration:
                    break
                except Exception as error:  # noqa: BLE001 - whatever it is, observers are told
                    failure = error
                    break
                await self._holds.wait()
                self._push(item)
                await self._holds.wait()
        if not self.is_disposed:
            self._end(failure)

    def _push(self, item: T) -> None:
        if not self.is_disposed:
            with pushing(self):
                self._observer.on_next(item)

    def _end(self, failure: Exception | None) -> None:
        self.is_ended = True
        with pushing(self):
            if failure is None:
                self._observer.on_completed()
            else:
                self._observer.on_error(failure)


def _single(error: BaseException) -> BaseException:
    """The first error of a group of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _is_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
