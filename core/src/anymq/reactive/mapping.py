"""``map_async``: an async function over an Observable, so many at once and no more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from itertools import takewhile
from typing import Any, Generic, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import CompositeDisposable, Disposable

from anymq.errors import BufferFull, ConfigError, InvalidState
from anymq.reactive.home import Holds, Home, InGroup, home_now, pushing

__all__ = ["map_async"]

A = TypeVar("A")
B = TypeVar("B")

MAX_WAITING = 1000
"""Items that a source which cannot be held may be ahead of the function."""


def map_async(
    function: Callable[[A], Awaitable[B]],
    concurrency: int = 1,
    *,
    ordered: bool = True,
    group: asyncio.TaskGroup | None = None,
    max_waiting: int = MAX_WAITING,
) -> Callable[[Observable[A]], Observable[B]]:
    """An operator for ``pipe``: each item's result, with at most ``concurrency`` calls at a time.

    ``ordered``: results come in the order of the items, and those that wait for an earlier one
    count as running. The source is held while there is no room; one that cannot be held (a
    Subject, a timer, what is behind a scheduler) may be ``max_waiting`` items ahead, then the
    Observable ends with BufferFull, and needs a ``group`` to run the calls in. The first error
    ends the Observable; disposing cancels what runs. Raises ConfigError.
    """
    if concurrency < 1 or max_waiting < 1:
        raise ConfigError(f"map_async: {concurrency=} and {max_waiting=} must be at least 1")

    def operator(source: Observable[A]) -> Observable[B]:
        def subscribe(
            observer: ObserverBase[B], scheduler: SchedulerBase | None = None
        ) -> DisposableBase:
            stage = _Stage(function, concurrency, ordered, group, max_waiting, observer)
            subscription = source.subscribe(
                stage.on_next, stage.on_error, stage.on_completed, scheduler=scheduler
            )
            return CompositeDisposable(subscription, Disposable(stage.dispose))

        return Observable(subscribe)

    return operator


class _Call(Generic[B]):
    """One item under way; who emits its result is asked to wait for what is downstream."""

    __slots__ = ("_home", "holds", "is_done", "is_emitted", "task", "value")

    def __init__(self, home: Home) -> None:
        self._home = home
        self.holds = Holds()
        self.is_done = False
        self.is_emitted = False
        self.task: asyncio.Task[None] | None = None
        self.value: B

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._home.spawn(work)

    def hold(self, until: asyncio.Future[None]) -> bool:
        self.holds.add(until)
        return True


class _Stage(Generic[A, B]):
    """One subscription of the operator."""

    def __init__(
        self,
        function: Callable[[A], Awaitable[B]],
        concurrency: int,
        ordered: bool,
        group: asyncio.TaskGroup | None,
        max_waiting: int,
        observer: ObserverBase[B],
    ) -> None:
        self._function = function
        self._concurrency = concurrency
        self._ordered = ordered
        self._group = group
        self._max_waiting = max_waiting
        self._observer = observer
        self._calls: deque[_Call[B]] = deque()
        """Begun and not emitted, in the order of their items."""
        self._waiting: deque[tuple[A, Home]] = deque()
        self._room: asyncio.Future[None] | None = None
        self._is_complete = False
        self._is_over = False

    def on_next(self, item: A) -> None:
        if self._is_over:
            return
        home = home_now() or (InGroup(self._group) if self._group is not None else None)
        if home is None:
            text = "map_async: this source is not AnyMQ's, so say in which group= to run the calls"
            self.on_error(InvalidState(text))
            return
        self._waiting.append((item, home))
        self._begin()
        is_ahead = self._is_full and not home.hold(self._when_free())
        if is_ahead and len(self._waiting) > self._max_waiting:
            text = f"map_async: the source is {len(self._waiting)} items ahead (max_waiting)"
            self.on_error(BufferFull(text))

    def on_error(self, error: Exception) -> None:
        if not self._is_over:
            self.dispose()
            self._observer.on_error(error)

    def on_completed(self) -> None:
        self._is_complete = True
        self._end_if_done()

    def dispose(self) -> None:
        """Cancel what runs; nothing more is emitted."""
        self._is_over = True
        self._waiting.clear()
        current = asyncio.current_task() if _has_loop() else None
        for call in tuple(self._calls):
            if call.task is not None and call.task is not current:
                call.task.cancel()
        self._free()

    @property
    def _is_full(self) -> bool:
        return bool(self._waiting) or len(self._calls) >= self._concurrency

    def _begin(self) -> None:
        while self._waiting and len(self._calls) < self._concurrency:
            item, home = self._waiting.popleft()
            call: _Call[B] = _Call(home)
            self._calls.append(call)
            call.task = home.spawn(self._run(call, item))

    async def _run(self, call: _Call[B], item: A) -> None:
        try:
            call.value = await self._function(item)
        except Exception as error:  # noqa: BLE001 - whatever it is, the observer is told
            with pushing(call):
                self.on_error(error)
            return
        call.is_done = True
        with pushing(call):
            ready = self._emit(call)
        # Who has no room downstream keeps the place of what was emitted.
        await call.holds.wait()
        for one in ready:
            self._calls.remove(one)
        self._begin()
        if not self._is_full:
            self._free()
        self._end_if_done()

    def _emit(self, done: _Call[B]) -> list[_Call[B]]:
        """Emit what may be emitted now that a call is done; what was."""
        ready = self._ready() if self._ordered else [done]
        for call in ready:
            call.is_emitted = True
            if not self._is_over:
                self._observer.on_next(call.value)
        return ready

    def _ready(self) -> list[_Call[B]]:
        """Those that are done, up to the first that is not."""
        done = takewhile(lambda call: call.is_done, self._calls)
        return [call for call in done if not call.is_emitted]

    def _end_if_done(self) -> None:
        if self._is_complete and not self._calls and not self._waiting and not self._is_over:
            self._is_over = True
            self._observer.on_completed()

    def _when_free(self) -> asyncio.Future[None]:
        if self._room is None:
            self._room = asyncio.get_running_loop().create_future()
        return self._room

    def _free(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
