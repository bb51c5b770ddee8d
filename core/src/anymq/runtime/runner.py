"""Runs an application as a process: signals, drain, exit status."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymq.app import App

__all__ = ["run_app", "serve_app"]

STOPPED, FAILED = 0, 1


def run_app(app: App) -> int:
    """Run until SIGINT or SIGTERM; the exit status: 0 stopped, 1 a subscriber ended for good.

    The first signal drains for ``grace_s``, a second one cancels the handlers that still run.
    Raises what ``App.start`` raises.
    """
    return asyncio.run(serve_app(app))


async def serve_app(app: App, *, stop: asyncio.Event | None = None) -> int:
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
        await app.start()
        try:
            return await _until_stopped(app, wanted)
        finally:
            await app.close()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _until_stopped(app: App, wanted: asyncio.Event) -> int:
    async with asyncio.TaskGroup() as group:
        stopped = group.create_task(wanted.wait())
        failed = group.create_task(app.wait_failed())
        await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
        status = STOPPED if stopped.done() else FAILED
        stopped.cancel()
        failed.cancel()
    return status
