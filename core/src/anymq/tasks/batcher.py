"""Batcher: calls of one turn of the loop ride in one call of the store. No timer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Batcher", "Spawn"]

T = TypeVar("T")
R = TypeVar("R")
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

MAX_BATCH = 500


class Batcher(Generic[T, R]):
    """``await batcher(item)`` gives the item's own result of ``work(items)``."""

    def __init__(self, work: Callable[[list[T]], Awaitable[Sequence[R]]], spawn: Spawn) -> None:
        self._work = work
        self._spawn = spawn
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []

    async def __call__(self, item: T) -> R:
        """Raises what the whole batch raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append((item, future))
        return await future

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MAX_BATCH):
            batch = waiting[start : start + MAX_BATCH]
            try:
                self._spawn(self._send(batch))
            except RuntimeError as error:  # the application has ended meanwhile
                _fail(batch, error)

    async def _send(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        is_done = False
        try:
            results = await self._work([item for item, _ in batch])
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
            is_done = True
        except Exception as error:  # noqa: BLE001 - told to everybody who waits for this batch
            _fail(batch, error)
            is_done = True
        finally:
            if not is_done:
                for _, future in batch:
                    future.cancel()


def _fail(batch: Sequence[tuple[Any, asyncio.Future[Any]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
