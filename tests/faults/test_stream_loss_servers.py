"""Streams on servers: kills of the server, of a reader and of members take nothing away."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from anymq import EARLIEST
from tests.faults.stream_loss_process import declared, partitions_of

pytestmark = [pytest.mark.long, pytest.mark.exclusive]
ROOT = Path(__file__).parents[2]
COUNT = int(os.environ.get("ANYMQ_TEST_STREAM_LOSS_COUNT", "100000"))
KILLS = 5
"""Of each: the server, the reader, and either member."""
STALL_S = 120.0
CONTROL_S = 180.0
SERVER = "server"
MEMBERS = ("member-1", "member-2")
Line = tuple[int, int, int]
"""Partition, writer, number."""


class Cast:
    """Two writers, a reader and two members of a group."""

    def __init__(self, url: str, folder: Path, backend: str) -> None:
        self.url = url
        self.namespace = f"stream-loss-{uuid4().hex[:8]}"
        self._folder = folder
        self._backend = backend
        self._processes: dict[str, Process] = {}

    async def start(self, name: str) -> None:
        """Begin a part, by its name."""
        role, _, number = name.partition("-")
        self._processes[name] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.stream_loss_process", role, self.url),
            *(self.namespace, str(self.log(name)), number or "0", str(COUNT // 2)),
            cwd=ROOT,
        )

    async def kill(self, name: str) -> None:
        """Kill it without warning, and begin it again."""
        if name == SERVER:
            for verb in ("kill", "restart"):
                await self._control(verb)
            return
        process = self._processes[name]
        assert process.returncode is None, f"{name} ended by itself: {process.returncode}"
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        await self.start(name)

    async def written(self) -> None:
        """Wait for the writers."""
        for name in ("writer-0", "writer-1"):
            assert await self._processes[name].wait() == 0

    async def end(self) -> None:
        """Kill what runs."""
        for process in self._processes.values():
            if process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)
            await process.wait()

    def log(self, name: str) -> Path:
        """Where a part notes."""
        return self._folder / name

    def count(self, name: str) -> int:
        """How many whole lines it has."""
        log = self.log(name)
        return log.read_bytes().count(b"\n") if log.exists() else 0

    def lines(self, *names: str) -> list[Line]:
        """Everybody's whole lines, in the order in which they were written."""
        noted: list[tuple[int, ...]] = []
        for name in names:
            log = self.log(name)
            text = log.read_text() if log.exists() else ""
            noted += [tuple(map(int, line.split()[:4])) for line in text.split("\n")[:-1]]
        return [(p, w, n) for _, p, w, n in sorted(noted)]

    async def _control(self, verb: str) -> None:
        control = shlex.split(os.environ[f"ANYMQ_TEST_{self._backend.upper()}_CONTROL"])
        process = await asyncio.create_subprocess_exec(*control, verb, stdout=PIPE, stderr=PIPE)
        async with asyncio.timeout(CONTROL_S):
            _, wrong = await process.communicate()
        assert process.returncode == 0, wrong.decode()


@pytest.mark.parametrize(
    "backend",
    [pytest.param(name, marks=pytest.mark.server(name), id=name) for name in ("redis",)],
)
@pytest.mark.timeout(1200)
async def test_kills_take_nothing_from_readers_and_groups(backend: str, tmp_path: Path) -> None:
    """Complete for the reader, once; complete for the group; both in order per partition."""
    cast = Cast(os.environ[f"ANYMQ_TEST_{backend.upper()}_URL"], tmp_path, backend)
    began, dice = time.monotonic(), random.Random(11)
    turns = [n for n in (SERVER, "reader", *MEMBERS) for _ in range(KILLS)]
    dice.shuffle(turns)
    try:
        for name in ("writer-0", "writer-1", "reader", *MEMBERS):
            await cast.start(name)
        for number, name in enumerate(turns):
            enough = (number + 1) * COUNT // (len(turns) + 2)
            await _until(cast, lambda: cast.count("reader") >= enough)  # noqa: B023 - awaited here
            await cast.kill(name)
        await cast.written()
        stored = await _stored(cast)
        wanted = set(stored)
        await _until(cast, lambda: cast.count("reader") >= len(stored))
        await _until(cast, lambda: wanted <= set(cast.lines(*MEMBERS)))
    finally:
        await cast.end()
        print(f"{backend}: {len(turns)} kills in {time.monotonic() - began:.0f} s")

    assert {line[1:] for line in stored} == {(w, n) for w in (0, 1) for n in range(COUNT // 2)}
    read, heard = cast.lines("reader"), cast.lines(*MEMBERS)
    print(f"{len(stored)} stored, {len(heard) - len(stored)} again to the group")
    for partition in range(partitions_of(cast.url)):
        there, reader, group = (
            [line for line in lines if line[0] == partition] for lines in (stored, read, heard)
        )
        assert reader == there  # complete, in order, and nothing twice
        assert list(dict.fromkeys(group)) == list(dict.fromkeys(there))


async def _stored(cast: Cast) -> list[Line]:
    app, stream = declared(cast.url, cast.namespace)
    async with app:
        return [
            (record.partition, record.value[0], record.value[1])
            async for record in stream.read(EARLIEST, follow=False)
        ]


async def _until(cast: Cast, condition: Callable[[], bool]) -> None:
    """Wait until it holds; fails when nothing has moved for STALL_S."""
    moved, before = time.monotonic(), -1
    while not condition():
        now = sum(cast.log(name).stat().st_size for name in _logs(cast))
        if now != before:
            moved, before = time.monotonic(), now
        assert time.monotonic() - moved < STALL_S, "nothing moves"
        await asyncio.sleep(0.2)  # between two looks at the logs


def _logs(cast: Cast) -> list[str]:
    names = ("writer-0", "writer-1", "reader", *MEMBERS)
    return [name for name in names if cast.log(name).exists()]
