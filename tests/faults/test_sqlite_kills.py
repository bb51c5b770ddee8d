"""Processes on one SQLite file, killed by SIGKILL at random moments: nothing confirmed is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.sqlite_process import PREFETCH, WINDOW

pytestmark = pytest.mark.exclusive
ROOT = Path(__file__).parents[2]
KILLS = 30
COUNT = 10_000
DRAIN_S = 60.0


@dataclass
class Notes:
    """What the processes noted."""

    tried: Counter[int]
    confirmed: set[int]
    handled: Counter[int]
    flagged: Counter[int]

    @classmethod
    def read(cls, logs: Sequence[Path]) -> Notes:
        """All lines of all logs."""
        notes = cls(Counter(), set(), Counter(), Counter())
        for log in logs:
            for line in log.read_text().splitlines() if log.exists() else ():
                kind, number, *flag = line.split()
                if kind == "t":
                    notes.tried[int(number)] += 1
                elif kind == "c":
                    notes.confirmed.add(int(number))
                else:
                    notes.handled[int(number)] += 1
                    notes.flagged[int(number)] += flag == ["1"]
        return notes


class Cast:
    """One publisher and two consumers; whoever is killed begins again."""

    def __init__(self, folder: Path, count: int) -> None:
        self.file = folder / "kills.db"
        self.count = count
        self.logs = [folder / f"{name}.log" for name in ("publisher", "one", "two")]
        self.processes: list[Process] = []

    async def start(self) -> None:
        """All three."""
        for part in range(3):
            self.processes.append(await self._begin(part))

    async def kill(self, part: int) -> None:
        """Kill one without warning, and begin it again."""
        victim = self.processes[part]
        if victim.returncode is None:
            os.kill(victim.pid, signal.SIGKILL)
        await victim.communicate()
        self.processes[part] = await self._begin(part)

    async def end(self) -> None:
        """Kill what runs."""
        for process in self.processes:
            if process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)
            await process.communicate()

    async def _begin(self, part: int) -> Process:
        notes = Notes.read(self.logs[:1])
        missing = [n for n in sorted(notes.tried) if n not in notes.confirmed]
        first = min(missing, default=max(notes.tried, default=-1) + 1)
        role = "consumer" if part else "publisher"
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.sqlite_process", role),
            *(str(self.file), str(self.logs[part]), str(first), str(self.count)),
            cwd=ROOT,
            stdin=PIPE,
        )


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_thirty_kills_lose_nothing(tmp_path: Path) -> None:
    """I1, I3, I4: 10,000 messages, one publisher, two consumers; extras bounded and flagged."""
    await _run(tmp_path, COUNT, KILLS)


@pytest.mark.timeout(90)
async def test_six_kills_lose_nothing(tmp_path: Path) -> None:
    """The same, short enough for every day."""
    await _run(tmp_path, 1500, 6)


async def _run(folder: Path, count: int, kills: int) -> None:
    dice = random.Random(7)  # the same moments in every run
    cast = Cast(folder, count)
    try:
        await cast.start()
        await _noted(cast, lambda notes: len(notes.handled) > 20)
        for number in range(kills):
            await asyncio.sleep(dice.uniform(0.3, 1.6))  # the moments are what is tried
            await cast.kill(number % 3 if number < 3 else dice.randrange(3))
        notes = await _noted(
            cast,
            lambda notes: len(notes.confirmed) == count and notes.confirmed <= set(notes.handled),
        )
    finally:
        await cast.end()

    extras = {n: times - 1 for n, times in notes.handled.items() if times > 1}
    # Each further delivery is flagged, unless the publisher repeated what it had no answer for.
    unflagged = [n for n in extras if notes.handled[n] - notes.flagged[n] > max(1, notes.tried[n])]
    with closing(sqlite3.connect(cast.file)) as database:
        integrity = database.execute("PRAGMA integrity_check").fetchone()
    print(f"{kills} kills, {len(notes.handled)} handled, {sum(extras.values())} extras")
    assert set(notes.handled) <= set(notes.tried)
    assert sum(extras.values()) <= kills * (2 * PREFETCH + WINDOW)
    assert unflagged == []
    assert integrity == ("ok",)


async def _noted(cast: Cast, condition: Callable[[Notes], bool]) -> Notes:
    async with asyncio.timeout(DRAIN_S + cast.count / 100):
        while True:
            notes = Notes.read(cast.logs)
            if condition(notes):
                return notes
            await asyncio.sleep(0.1)  # between two looks at the logs
