"""`make demo`: a newsstand if there is none, and invented messengers sent to it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.e2e.site import serving


async def _demo(folder: Path, port: int) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "newsstand.cli", "demo", "--port", str(port)),
        *("--seconds", "2", "--rate", "10"),
        cwd=folder,
        stdout=PIPE,
        stderr=STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), timeout=50)
    return process.returncode or 0, said.decode()


async def test_it_sends_to_the_newsstand_that_runs(tmp_path: Path) -> None:
    """As many as the rate says; they arrive."""
    async with serving(tmp_path) as site:
        code, said = await _demo(tmp_path, int(site.url.rpartition(":")[2]))
        total = (await site.client.get("/api/messenger/list")).headers["x-total-count"]

    assert code == 0, said
    assert "found a newsstand" in said
    assert f"{int(total) - 60} messengers sent" in said
    assert 60 < int(total) <= 80


async def test_it_starts_one_where_none_runs(tmp_path: Path) -> None:
    """And stops it again."""
    async with serving(tmp_path) as site:
        port = int(site.url.rpartition(":")[2])  # free once this one has stopped
        await site.stop()

    code, said = await _demo(tmp_path, port)

    assert code == 0, said
    assert "started a newsstand" in said
    assert "messengers sent" in said.splitlines()[-1]
