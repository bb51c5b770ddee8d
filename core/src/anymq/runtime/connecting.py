"""Connecting: try until the backend is there or the time is up, and tell at once that one waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from anymq.abc import BackendEvent
from anymq.errors import BackendUnavailable, ClosedError
from anymq.support.backoff import Backoff

__all__ = ["connect"]

log = logging.getLogger("anymq")


async def connect(
    attempt: Callable[[], Awaitable[None]],
    *,
    limit_s: float,
    given_up: asyncio.Event,
    tell: Callable[[BackendEvent], None],
) -> None:
    """Make attempts until one succeeds; only what is transient is tried again.

    Raises: BackendUnavailable (not within ``limit_s``), ClosedError (``given_up`` was set), and
    at once what else an attempt raises.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + limit_s
    backoff = Backoff(first_s=0.1, max_s=5.0)
    is_told = False
    while True:
        try:
            await attempt()
            return
        except BackendUnavailable as error:
            rest = until - loop.time()
            if rest <= 0:
                raise
            if not is_told:
                is_told = True
                detail = _detail(error, limit_s)
                log.warning("not connected yet: %s", detail)
                tell(BackendEvent("lost", detail))
        await _pause(given_up, min(backoff.next_s(), rest))


def _detail(error: BackendUnavailable, limit_s: float) -> str:
    how_long = "until it comes" if limit_s == float("inf") else f"for up to {limit_s:g} s"
    return f"{error}; trying again {how_long}"


async def _pause(given_up: asyncio.Event, delay_s: float) -> None:
    try:
        async with asyncio.timeout(delay_s):
            await given_up.wait()
    except TimeoutError:
        return
    raise ClosedError("this application was closed while it was starting")
