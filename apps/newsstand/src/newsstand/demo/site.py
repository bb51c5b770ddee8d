"""The newsstand that the demonstration sends to: one that runs, or one of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2

from anymq import BackendUnavailable

__all__ = ["is_there", "site_running"]

START_S = 60.0
STOP_S = 15.0


async def is_there(client: httpx2.AsyncClient) -> bool:
    """Whether a newsstand answers, ready or not."""
    try:
        return (await client.get("/health/live")).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


@asynccontextmanager
async def site_running(
    client: httpx2.AsyncClient, site: str, *, prefix: str
) -> AsyncIterator[bool]:
    """Have one run; True if it is one of our own, which is stopped at the end.

    Raises BackendUnavailable when it does not start.
    """
    if await is_there(client):
        yield False
        return
    parts = urlsplit(site)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "newsstand.cli", "serve"),
        *("--host", str(parts.hostname), "--port", str(parts.port), "--prefix", prefix),
        env={**os.environ, "PYTHONUNBUFFERED": "1"},  # its first line must not wait in a buffer
        stdout=PIPE,
    )
    try:
        await _started(process, site)
        yield True
    finally:
        await _stop(process)


async def _started(process: Process, site: str) -> None:
    """Wait for its first line, which it says once it serves."""
    line = b""
    if process.stdout is not None:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
    if not line:
        raise BackendUnavailable(f"no newsstand could be started at {site}")


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
