"""TaskHost: the one TaskGroup of a running App. Everything that App starts lives in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

__all__ = ["TaskHost"]


class TaskHost:
    """A TaskGroup whose tasks cannot bring down whoever opened it.

    ``open`` and ``aclose`` may be called from different tasks (start and stop of an App are). A
    task that raises is reported to ``on_crash`` and ends alone; nothing is silent, nothing leaks.
    """

    def __init__(self, on_crash: Callable[[Exception], None]) -> None:
        self._on_crash = on_crash
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to accept tasks."""
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()

    def spawn(
        self, work: Coroutine[Any, Any, None], context: Context | None = None, /
    ) -> asyncio.Task[None]:
        """Start a task. Raises RuntimeError when not open."""
        if self._group is None:
            work.close()
            raise RuntimeError("the application is not running")
        task = self._group.create_task(self._supervised(work), context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task cancelled before its first step never awaits its work, which then must be closed.
        task.add_done_callback(lambda _: work.close())
        return task

    async def aclose(self, *, limit_s: float) -> bool:
        """Cancel what still runs and wait for it; False if something did not end in time."""
        group, self._group = self._group, None
        if group is None:
            return True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        # Not the group's own exit: that waits on, without a limit, for who ignores a cancellation.
        if tasks and (await asyncio.wait(tasks, timeout=limit_s))[1]:
            return False
        await group.__aexit__(None, None, None)
        return True

    async def _supervised(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - reported, never lost
            self._on_crash(error)
