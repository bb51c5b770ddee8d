"""A Redis of one test's own, which nobody minds being broken."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

__all__ = ["own_server"]

START_S = 10.0


@asynccontextmanager
async def own_server(folder: Path, **settings: str) -> AsyncIterator[str]:
    """Start a server; its unix socket's path. User ``app`` may not ask for settings."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed here, only reached")
    path = folder / "s"
    given = {"dir": str(folder), "unixsocket": str(path), "port": "0", "save": '""'} | settings
    lines = [f"{name.replace('_', '-')} {value}" for name, value in given.items()]
    lines.append("user app on >secret ~* &* +@all -config")
    (folder / "conf").write_text("\n".join(lines))
    server = await asyncio.create_subprocess_exec(
        program, str(folder / "conf"), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(START_S):
            while not path.exists():  # noqa: ASYNC110  # a file of another process
                await asyncio.sleep(0.02)
        yield str(path)
    finally:
        server.kill()
        await server.wait()
