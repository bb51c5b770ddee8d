"""Runs an application as a process: signals, drain, exit status."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from anymq.errors import ClosedError

if TYPE_CHECKING:
    from anymq.abc.task_runner import WorkerOptions
    from anymq.app import App

__all__ = ["run_app", "serve_app"]

STOPPED, FAILED = 0, 1


def run_app(app: App, *, consume: bool = True, work: bool | WorkerOptions | None = None) -> int:
    """Run until SIGINT or SIGTERM; the exit status: 0 stopped, 1 a subscriber ended for good.

    The first signal drains for ``grace_s``, a second one cancels the handlers that still run.
    Raises what ``App.start`` raises.
    """
    return asyncio.run(serve_app(app, consume=consume, work=work))


async def serve_app(
    app: App,
    *,
    stop: asyncio.Event | None = None,
    consume: bool = True,
    work: bool | WorkerOptions | None = None,
) -> int:
    """As ``run_app``, in a loop that runs already; ``stop`` is an event that means a signal."""
    wanted = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def heard() -> None:
        if wanted.is_set():
            app.force()
        wanted.set()

    for number in signals:
        loop.add_signal_handler(number, heard)
    try:
        try:
            options: Any = {} if consume and work is None else {"consume": consume, "work": work}
            start = functools.partial(app.start, **options)
            is_started = await _start(app, start, wanted)
            return await _until_stopped(app, wanted) if is_started else STOPPED
        finally:
            await app.close()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _start(app: App, begin: Callable[[], Awaitable[None]], wanted: asyncio.Event) -> bool:
    """Start; False when a stop was asked for before the backend was there."""

    async def start() -> Exception | None:
        try:
            await begin()
        except Exception as error:  # noqa: BLE001 - raised below, and not within a group of tasks
            return error
        return None

    async with asyncio.TaskGroup() as group:
        stopped, starting = group.create_task(wanted.wait()), group.create_task(start())
        await asyncio.wait((stopped, starting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            await app.close()
        stopped.cancel()
    error = starting.result()
    if isinstance(error, ClosedError) and wanted.is_set():
        return False
    if error is not None:
        raise error
    return True


async def _until_stopped(app: App, wanted: asyncio.Event) -> int:
    async with asyncio.TaskGroup() as group:
        stopped = group.create_task(wanted.wait())
        failed = group.create_task(app.wait_failed())
        await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
        status = STOPPED if stopped.done() else FAILED
        stopped.cancel()
        failed.cancel()
    return status
