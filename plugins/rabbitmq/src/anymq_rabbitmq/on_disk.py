"""When a queue that was just declared is on the server's disk."""

from __future__ import annotations

import asyncio

__all__ = ["until_on_disk"]

_WRITTEN_AFTER_S = 0.6
"""The server answers a declaration before its metadata log is written: of queues declared less than
half a second before a SIGKILL, 3.10 knows nothing afterwards, nor of messages that it confirmed."""


async def until_on_disk() -> None:
    """Let so much time go by that what was declared before survives a kill of the server."""
    await asyncio.sleep(_WRITTEN_AFTER_S)
