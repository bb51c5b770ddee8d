"""The conformance kit's harness leaves nothing behind, however the kit ends."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from asyncio.subprocess import PIPE
from contextlib import closing
from pathlib import Path

import pytest

from anymq.errors import ConfigError, UnsupportedError
from anymq_sqlite.harness import SqliteHarness

LIMIT_S = 20.0
KIT = """
import asyncio, sys
from anymq_sqlite.harness import SqliteHarness

async def main():
    harness = SqliteHarness(sys.argv[1])
    await harness.options()
    await harness.disrupt("half-open")
    print(harness.file, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def _is_locked(file: str) -> bool:
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


async def test_a_killed_kit_leaves_no_lock(tmp_path: Path) -> None:
    """The process that holds the file ends with the kit's own, even by SIGKILL."""
    kit = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KIT, f"sqlite:///{tmp_path}/x.db"), stdout=PIPE
    )
    try:
        assert kit.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            file = (await kit.stdout.readline()).decode().strip()
        was_locked = _is_locked(file)
    finally:
        kit.kill()
        await kit.communicate()

    assert was_locked
    async with asyncio.timeout(LIMIT_S):
        while _is_locked(file):  # noqa: ASYNC110 - another process ends
            await asyncio.sleep(0.01)


async def test_a_held_file_is_let_go(tmp_path: Path) -> None:
    """Held twice is held once; healed, anybody writes."""
    harness = SqliteHarness(f"sqlite:///{tmp_path}/x.db")
    await harness.options()
    await harness.disrupt("half-open")
    await harness.disrupt("half-open")
    was_locked = _is_locked(harness.file)
    await harness.disrupt("heal")

    assert was_locked
    assert not _is_locked(harness.file)
    await harness.cleanup()
    with pytest.raises(UnsupportedError, match="no packets"):
        await harness.disrupt("delay")


async def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    """The kit's own folder lies where the URL says, or nowhere."""
    harness = SqliteHarness(f"sqlite:///{tmp_path}/missing/x.db")

    with pytest.raises(ConfigError, match="missing does not exist: make it"):
        await harness.options()

    assert os.listdir(tmp_path) == []
