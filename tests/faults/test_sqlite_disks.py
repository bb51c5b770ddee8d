"""Disks that fail under the SQLite file: full, without a sync, and cut off from power."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.exclusive
ROOT = Path(__file__).parents[2]
LIMIT_S = 40.0


async def test_a_full_disk_rejects_and_keeps(tmp_path: Path) -> None:
    """F31: ``full``, all that was confirmed is there, and with room again it goes on."""
    with _mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=4m", "tmpfs") as disk:
        async with _publisher(disk / "x.db", 900, 8000) as process:
            said = await _until(process, "health")
            await _run("mount", "-o", "remount,size=64m", str(disk))
            after = await _ask(process)
        confirmed = _those(said, "confirmed")
        integrity, stored = _look(disk / "x.db")

    assert confirmed
    assert _those(said, "rejected:full")
    assert not _those(said, "unknown")
    assert said[-1] == "health degraded"
    assert after[0].endswith("confirmed")
    assert after[1] == "health up"
    assert confirmed <= stored
    assert not _those(said, "rejected:full") & stored
    assert integrity == "ok"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
async def test_a_disk_that_cannot_sync_ends_writing(tmp_path: Path) -> None:
    """F44: what was not synced is unknown, and all after it rejected, though later syncs would
    work: the file is only read until a restart, and health is down. Then it is written again."""
    strace = ("strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync")
    inject = ("-e", "inject=fdatasync:error=EIO:when=20")
    async with _publisher(tmp_path / "x.db", 40, 100, before=(*strace, *inject)) as process:
        said = await _until(process, "health")
    confirmed = _those(said, "confirmed")
    _, stored = _look(tmp_path / "x.db")
    async with _publisher(tmp_path / "x.db", 1, 100) as process:
        after = await _until(process, "health")
    integrity, _ = _look(tmp_path / "x.db")

    outcomes = [line.split()[1] for line in said if line[0].isdigit()]
    first = outcomes.index("unknown")
    assert first > 0
    assert set(outcomes[first + 1 :]) == {"rejected:denied"}
    assert said[-1] == "health down"
    assert confirmed <= stored
    assert not _those(said, "rejected:denied") & stored
    assert after == ["0 confirmed", "health up"]
    assert integrity == "ok"


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_power_loss_takes_nothing_that_was_confirmed(tmp_path: Path) -> None:
    """F43: the disk's image is copied while the publisher stands still, and mounted elsewhere."""
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        await _power_loss(folder)


async def _power_loss(folder: Path) -> None:
    image, copy = folder / "img", folder / "copy"
    await _run("truncate", "-s", "128M", str(image))
    await _run("mkfs.ext4", "-q", str(image))
    with _mounted(folder / "disk", "-o", "loop", str(image)) as disk:
        # About 250 commits a second, else checkpoints would hide what was not synced.
        async with _publisher(disk / "x.db", 100_000, 200, pause_s=0.002) as process:
            said = [await _line(process) for _ in range(1000)]
            process.send_signal(signal.SIGSTOP)
            await _run("cp", "--sparse=always", str(image), str(copy))
            process.kill()
            said += [line.decode().strip() for line in await _rest(process)]
    with _mounted(folder / "disk2", "-o", "loop", str(copy)) as disk:
        integrity, stored = _look(disk / "x.db")
    confirmed = _those([line for line in said if len(line.split()) == 2], "confirmed")
    print(f"{len(confirmed)} confirmed, {len(stored)} stored after power loss")
    assert integrity == "ok"
    assert confirmed - stored == set()


@asynccontextmanager
async def _publisher(
    file: Path, count: int, size: int, *, before: Sequence[str] = (), pause_s: float = 0.0
) -> AsyncIterator[Process]:
    """The publisher's process, open already; killed in the end."""
    process = await asyncio.create_subprocess_exec(
        *(*before, sys.executable, "-m", "tests.faults.sqlite_disk_process"),
        *(str(file), str(count), str(size), str(pause_s)),
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        assert await _line(process) == "open"
        yield process
    finally:
        if process.returncode is None and process.stdin is not None:
            process.stdin.close()
            try:
                async with asyncio.timeout(LIMIT_S):
                    await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    async with asyncio.timeout(LIMIT_S):
        assert await process.wait() == 0, command


def _look(file: Path) -> tuple[str, set[str]]:
    """What an integrity check says, and the ids of what is stored."""
    with closing(sqlite3.connect(file)) as database:
        (integrity,) = database.execute("PRAGMA integrity_check").fetchone()
        return integrity, {row[0] for row in database.execute("SELECT id FROM queue")}


async def _line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        line = await process.stdout.readline()
    assert line, "the publisher ended"
    return line.decode().strip()


async def _until(process: Process, word: str) -> list[str]:
    said = [await _line(process)]
    while not said[-1].startswith(word):
        said.append(await _line(process))
    return said


async def _ask(process: Process) -> list[str]:
    """Have one more sent; what became of it, and the health then."""
    assert process.stdin is not None
    process.stdin.write(b"\n")
    return await _until(process, "health")


async def _rest(process: Process) -> list[bytes]:
    async with asyncio.timeout(LIMIT_S):
        output, _ = await process.communicate()
    return output.splitlines()


def _those(said: Sequence[str], outcome: str) -> set[str]:
    """The ids of the messages with an outcome."""
    return {f"m-{line.split()[0]}" for line in said if line.split()[1] == outcome}


@contextmanager
def _mounted(point: Path, *what: str) -> Iterator[Path]:
    """A file system of the test's own; skips where this user may not mount."""
    point.mkdir()
    done = subprocess.run(["mount", *what, str(point)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.decode(errors='replace').strip()}")
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)
