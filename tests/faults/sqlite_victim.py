"""A process that is killed or stopped at a chosen moment, and says by its log where it is.

    python -m tests.faults.sqlite_victim ROLE URL LOG

``publisher`` sends batches of BATCH on and on, all or nothing each: ``t 3`` before the third,
``c 3`` once it is confirmed. It begins with the first one that its log does not tell as confirmed,
so that ids are sent again. ``consumer`` notes ``h ID COUNT FLAG`` in its handler, waits there for a
line on its standard input, writes its effect to a file beside LOG (once per id) and notes ``e ID``;
``l ID`` is a settlement that came too late. ``both`` does both, without waiting.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from itertools import count
from pathlib import Path

from anymq import App, Delivery
from anymq.events import AppEvent, SettlementLost

__all__ = ["BATCH", "effects"]

BATCH = 5
EFFECTS = "effects.db"


def effects(log: Path) -> list[str]:
    """Of which messages the effect is there."""
    with closing(sqlite3.connect(log.with_name(EFFECTS))) as database:
        return [row[0] for row in database.execute("SELECT id FROM effects ORDER BY id")]


def _note(log: Path, text: str) -> None:
    with log.open("a", buffering=1) as file:
        file.write(f"{text}\n")


def _have_effect(log: Path, number: str) -> None:
    with closing(
        sqlite3.connect(log.with_name(EFFECTS), timeout=10, isolation_level=None)
    ) as database:
        database.execute("CREATE TABLE IF NOT EXISTS effects (id TEXT PRIMARY KEY)")
        database.execute("INSERT OR IGNORE INTO effects VALUES (?)", (number,))


async def _publish(app: App, log: Path) -> None:
    confirmed = [line for line in _lines(log) if line.startswith("c ")]
    for batch in count(len(confirmed)):
        _note(log, f"t {batch}")
        async with asyncio.TaskGroup() as group:
            for part in range(BATCH):  # one turn of the loop: one send, one transaction
                number = batch * BATCH + part
                group.create_task(app.publish("numbers", number, message_id=f"m-{number}"))
        _note(log, f"c {batch}")


def _lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def _subscribe(app: App, log: Path, go_on: Callable[[], Awaitable[object]]) -> None:
    @app.subscriber("numbers", group="readers")
    async def handle(number: int, delivery: Delivery) -> None:
        flag = int(delivery.redelivered)
        _note(log, f"h {delivery.id} {delivery.delivery_count} {flag}")
        await go_on()
        _have_effect(log, delivery.id)
        _note(log, f"e {delivery.id}")

    @app.on_event
    def hear(event: AppEvent) -> None:
        if isinstance(event, SettlementLost):
            _note(log, f"l {event.message_id}")


async def _at_once() -> None:
    """Wait for nobody."""


async def _told() -> None:
    sys.stdin.readline()  # holds up the loop, so that nothing can end the handler before its time


async def _main(role: str, url: str, name: str) -> None:
    log = Path(name)
    app = App(url)
    app.topic("numbers")
    _subscribe(app, log, _told if role == "consumer" else _at_once)
    await app.start(consume=role != "publisher")
    try:
        os.write(1, b"ready\n")
        await (_publish(app, log) if role != "consumer" else app.wait_failed())
    finally:
        await app.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
