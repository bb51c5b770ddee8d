"""The long-lived tasks of one object, from its opening to its close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

__all__ = ["Background"]


class Background:
    """A task group that is entered by ``open`` and left by ``aclose``.

    A task that fails never takes its neighbours or its opener along: its error goes to the
    callback it was started with.
    """

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Make it possible to start tasks."""
        self._group = await self._stack.enter_async_context(asyncio.TaskGroup())

    def start(
        self,
        work: Coroutine[Any, Any, None],
        *,
        name: str,
        on_failure: Callable[[Exception], None],
    ) -> asyncio.Task[None]:
        """Run ``work`` until it ends, or until ``aclose`` cancels it."""
        if self._group is None:
            work.close()
            raise RuntimeError("background tasks were started before open")
        task = self._group.create_task(_guard(work, on_failure), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # cancelled before its first step
        return task

    async def aclose(self) -> None:
        """Cancel what still runs and wait for it. Idempotent."""
        for task in tuple(self._tasks):
            task.cancel()
        self._group = None
        await self._stack.aclose()


async def _guard(work: Coroutine[Any, Any, None], on_failure: Callable[[Exception], None]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 -- handed on; raising would cancel the opener
        on_failure(error)
