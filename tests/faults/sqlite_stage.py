"""What tests of SQLite processes share: starting them, stopping one in a transaction, looking."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

__all__ = ["LIMIT_S", "integrity", "is_locked", "noted", "stop_while_writing", "stored", "until"]
__all__ += ["victim"]

ROOT = Path(__file__).parents[2]
LIMIT_S = 20.0


@asynccontextmanager
async def victim(
    role: str, file: Path, log: Path, *, query: str = "", before: Sequence[str] = ()
) -> AsyncIterator[Process]:
    """One of ``sqlite_victim``, ready (unless started through ``before``); killed in the end."""
    url = f"sqlite:///{file}{query}"
    process = await asyncio.create_subprocess_exec(
        *(*before, sys.executable, "-m", "tests.faults.sqlite_victim", role, url, str(log)),
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        if not before:
            assert process.stdout is not None
            async with asyncio.timeout(LIMIT_S):
                assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def stop_while_writing(process: Process, file: Path) -> None:
    """SIGSTOP it at a moment at which it holds the lock of the file."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            process.send_signal(signal.SIGSTOP)
            await until(lambda: _state(process.pid) == "T")
            if is_locked(file):
                return
            process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.003)


def is_locked(file: Path) -> bool:
    """Whether somebody is in a transaction that writes."""
    with closing(sqlite3.connect(file, timeout=0.02, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        database.execute("ROLLBACK")
        return False


async def until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Wait for what other processes do."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


def noted(log: Path, kind: str) -> list[str]:
    """What a victim noted of a kind, without the kind."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [line[2:] for line in lines if line.startswith(f"{kind} ")]


def integrity(file: Path) -> str:
    """What SQLite's own check says."""
    with closing(sqlite3.connect(file)) as database:
        return str(database.execute("PRAGMA integrity_check").fetchone()[0])


def stored(file: Path) -> set[str]:
    """The ids of the messages that wait."""
    with closing(sqlite3.connect(file)) as database:
        return {row[0] for row in database.execute("SELECT id FROM queue")}


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
