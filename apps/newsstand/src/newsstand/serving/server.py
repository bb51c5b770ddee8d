"""Hypercorn, started and stopped by us."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from hypercorn.utils import LifespanFailureError

from newsstand.desk import Desk
from newsstand.web.application import NewsstandApi

__all__ = ["STOPPED", "STOPPED_HARD", "Status", "run_server"]

STOPPED, STOPPED_HARD = 0, 1

# How long Hypercorn waits for connections; ours end sooner by themselves.
GRACE_S = 3.0
# The last resort, longer than anything that closes in order may take.
LIMIT_S = 60.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Status:
    """How it ended, as far as signals say."""

    code: int = STOPPED


async def run_server(app: NewsstandApi, listening: socket.socket) -> int:
    """Serve until SIGINT or SIGTERM; the exit status.

    The first signal sets the desk's stop: live feeds say goodbye in the same turn of the loop in
    which the server begins to shut down, and hold nothing up. A second one gives what still runs
    no more time. Raises what opening the desk raises.
    """
    try:
        async with asyncio.TaskGroup() as group:
            server = group.create_task(_serve(app, listening))
            with _signals(app.desk, server) as status:
                await asyncio.wait((server,))
    except ExceptionGroup as failures:
        # One task, one error: the group around it tells nobody anything.
        raise failures.exceptions[0] from None
    return STOPPED_HARD if server.cancelled() else status.code


async def _serve(app: NewsstandApi, listening: socket.socket) -> None:
    trigger: Callable[..., Awaitable[None]] = app.desk.stop.wait
    try:
        await serve(cast("ASGIFramework", app), _config(listening), shutdown_trigger=trigger)
    except LifespanFailureError:
        # It carries a traceback as text; whoever started us wants the error itself.
        if app.failure is None:
            raise
        raise app.failure from None


def _config(listening: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listening.dup().detach()}"]  # Hypercorn closes what it is given
    config.graceful_timeout = GRACE_S
    config.include_server_header = False
    config.loglevel = "WARNING"
    config.h2_max_concurrent_streams = 100
    config.keep_alive_max_requests = 1000
    config.websocket_max_message_size = 65_536
    config.websocket_ping_interval = 20
    return config


@contextmanager
def _signals(desk: Desk, server: asyncio.Task[None]) -> Iterator[Status]:
    loop = asyncio.get_running_loop()
    status = Status()

    def heard() -> None:
        if desk.stop.is_set:
            status.code = STOPPED_HARD
            desk.stop.hurry()
            return
        loop.call_later(LIMIT_S, server.cancel)
        desk.stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, heard)
    try:
        yield status
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
