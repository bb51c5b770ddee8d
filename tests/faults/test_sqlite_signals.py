"""A consumer on one SQLite file is told to stop."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from anymq import App

ROOT = Path(__file__).parents[2]
COUNT = 12
LIMIT_S = 20.0


@pytest.mark.timeout(60)
async def test_a_consumer_finishes_what_it_handles(tmp_path: Path) -> None:
    """F08: SIGTERM: handlers that run end and settle, no other begins, the rest is given back."""
    file, log = tmp_path / "x.db", tmp_path / "log"
    app = App(f"sqlite:///{file}")
    app.topic("numbers")

    @app.subscriber("numbers", group="readers")
    async def declared(number: int) -> None:
        """Consumed elsewhere."""

    await app.start(consume=False)
    await app.publish_many("numbers", list(range(COUNT)))
    await app.close()

    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.sqlite_process", "worker", file, log, "0", "0"),
        cwd=ROOT,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            while len(_noted(log, "h")) < 4:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
            worker.send_signal(signal.SIGTERM)
            status = await worker.wait()
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()

    ended = _noted(log, "e")
    with closing(sqlite3.connect(file)) as found:
        left = found.execute("SELECT state, body, deliveries FROM queue ORDER BY seq").fetchall()
    assert status == 0
    assert 4 <= len(ended) < COUNT
    assert _noted(log, "h") == ended
    rest = sorted(set(range(COUNT)) - set(ended))
    assert left == [(0, b"%d" % number, 0) for number in rest]


def _noted(log: Path, kind: str) -> list[int]:
    lines = log.read_text().splitlines() if log.exists() else ()
    return sorted(int(line.split()[1]) for line in lines if line.startswith(f"{kind} "))
