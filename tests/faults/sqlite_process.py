"""A publisher or consumer in a process of its own, to be killed at any moment.

    python -m tests.faults.sqlite_process ROLE FILE LOG FIRST COUNT

The publisher sends the numbers from FIRST on, each with an id of its own, and notes in LOG what it
tries (``t 7``) and what was confirmed (``c 7``). The consumer notes what its handler had, and
whether it came flagged (``h 7 1``), before the delivery is settled. Lines are written at once, by
one call each, so that a killed process leaves whole lines.
"""

from __future__ import annotations

import asyncio
import os
import sys

from anymq import App, Delivery
from anymq.runtime.runner import serve_app

__all__: list[str] = []

WINDOW = 20
PAUSE_S = 0.06
"""Between two windows: so that all kills fall into the time of publishing."""
PREFETCH = 20


def _note(log: int, text: str) -> None:
    os.write(log, f"{text}\n".encode())


def _app(file: str) -> App:
    app = App(f"sqlite:///{file}")
    app.topic("numbers")
    return app


async def _publish(file: str, log: int, first: int, count: int) -> None:
    app = _app(file)

    @app.subscriber("numbers", group="readers")
    async def declared(number: int) -> None:
        """Consumed elsewhere."""

    await app.start(consume=False)

    async def one(number: int) -> None:
        _note(log, f"t {number}")
        await app.publish("numbers", number, message_id=f"m-{number}")
        _note(log, f"c {number}")

    for begin in range(first, count, WINDOW):
        async with asyncio.TaskGroup() as group:
            for number in range(begin, min(begin + WINDOW, count)):
                group.create_task(one(number))
        await asyncio.sleep(PAUSE_S)
    await app.close()


async def _consume(file: str, log: int) -> None:
    app = _app(file)

    @app.subscriber("numbers", group="readers", concurrency=4, prefetch=PREFETCH)
    async def handle(number: int, delivery: Delivery) -> None:
        flagged = delivery.redelivered or (delivery.delivery_count or 1) > 1
        _note(log, f"h {number} {int(flagged)}")
        await asyncio.sleep(0.001)

    async with app:
        await asyncio.to_thread(sys.stdin.read)  # until the parent ends, or says so


async def _work(file: str, log: int) -> int:
    """A consumer as an operator runs it; each handler takes a while, and notes its end, too."""
    app = _app(file)

    @app.subscriber("numbers", group="readers", concurrency=4, prefetch=PREFETCH)
    async def handle(number: int) -> None:
        _note(log, f"h {number}")
        await asyncio.sleep(0.5)
        _note(log, f"e {number}")

    return await serve_app(app)


async def _main(role: str, file: str, log: str, first: str, count: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if role == "publisher":
        await _publish(file, descriptor, int(first), int(count))
    elif role == "worker":
        sys.exit(await _work(file, descriptor))
    else:
        await _consume(file, descriptor)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
