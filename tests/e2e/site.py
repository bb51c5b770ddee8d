"""A newsstand as its users run it: a process of its own, on a free port, in an empty folder."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx2

__all__ = ["Site", "serving"]

START_S = 40
STOP_S = 20


@dataclass(slots=True)
class Site:
    """One that runs."""

    url: str
    process: Process
    client: httpx2.AsyncClient

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    async def stop(self, number: int = signal.SIGINT) -> tuple[int, float, str]:
        """Exit code, seconds until the process was gone, and what it said on stderr."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        self.process.send_signal(number)
        code = await asyncio.wait_for(self.process.wait(), STOP_S)
        took_s = loop.time() - before
        said = await self.process.stderr.read() if self.process.stderr else b""
        return code, took_s, said.decode()


@asynccontextmanager
async def serving(
    folder: Path, *arguments: str, port: int = 0, namespace: str | None = None
) -> AsyncIterator[Site]:
    """Have one run; it is stopped at the end if it still does.

    ``namespace`` keeps it apart on a server that others use too; without one it gets a new one.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "newsstand.cli", "serve", "--port", str(port), *arguments),
        cwd=folder,
        env=_environment(namespace or f"e2e-{uuid4().hex[:12]}"),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode()
        assert line.startswith("newsstand: http"), line or await _stderr(process)
        url = line.split()[1]
        async with httpx2.AsyncClient(base_url=url, timeout=STOP_S) as client:
            yield Site(url, process, client)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _environment(namespace: str) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("ANYMQ_", "NEWSSTAND"))}
    return {**own, "PYTHONUNBUFFERED": "1", "ANYMQ_NAMESPACE": namespace}


async def _stderr(process: Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read()).decode()
