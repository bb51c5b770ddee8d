"""A publisher or a consumer on a server, in a process of its own.

    python -m tests.faults.loss_process ROLE URL NAMESPACE LOG PART

The publisher sends its part of the numbers, WINDOW at once, as far as a line of its input allows
(``5000``), and repeats each with the same id until it is confirmed. It notes what it tries
(``t 7``), what ended unknown (``u 7``), was refused for want of room (``f 7``) and was confirmed
(``c 7``). The consumer notes what its handler had, and whether it came flagged (``h 7 1``), before
the delivery is settled; it ends when its input ends.
Lines are written at once, by one call each, so that a killed process leaves whole lines.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

from anymq import App, Delivery, PublishUnknown
from anymq.config import Settings
from anymq.errors import BufferFull

__all__ = ["CONSUMERS", "COUNT", "PARTITIONS", "PREFETCH", "PUBLISHERS", "WINDOW"]

COUNT = 50_000
PUBLISHERS = 2
WINDOW = 64
CONSUMERS = 3
PREFETCH = 32
PARTITIONS = 3
"""So that three members of a group on Kafka all have work."""
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Log:
    """Where a process notes what happened."""

    descriptor: int

    def note(self, kind: str, number: int, *more: int) -> None:
        """One line, whole or not at all."""
        words = " ".join(map(str, (kind, number, *more)))
        os.write(self.descriptor, f"{words}\n".encode())


class Gate:
    """Lets numbers through up to what the parent process wrote last; all, once it wrote COUNT."""

    def __init__(self) -> None:
        self._limit = 0
        self._raised = asyncio.Condition()

    async def listen(self) -> None:
        """Read limits until COUNT, or until the input ends."""
        while self._limit < COUNT:
            line = await asyncio.to_thread(sys.stdin.readline)
            async with self._raised:
                self._limit = int(line or COUNT)
                self._raised.notify_all()

    async def wait(self, number: int) -> None:
        """Return once a number may be sent."""
        if number < self._limit:
            return
        async with self._raised:
            await self._raised.wait_for(lambda: number < self._limit)


def _app(url: str, namespace: str) -> App:
    app = App(settings=Settings(url=url, namespace=namespace, connect_wait_s=START_S))
    app.topic("numbers", partitions=PARTITIONS if url.startswith("kafka") else 1)
    return app


async def _publish(app: App, log: Log, part: int) -> None:
    app.subscriber("numbers", group="readers")(_elsewhere)
    await app.start(consume=False)
    numbers, gate = iter(range(part, COUNT, PUBLISHERS)), Gate()

    async def work() -> None:
        for number in numbers:
            await gate.wait(number)
            await _until_confirmed(app, log, number)

    async with asyncio.TaskGroup() as group:
        group.create_task(gate.listen())
        for _ in range(WINDOW):
            group.create_task(work())
    await app.close()


async def _until_confirmed(app: App, log: Log, number: int) -> None:
    log.note("t", number)
    while True:
        try:
            await app.publish("numbers", number, key=str(number), message_id=f"m-{number}")
        except PublishUnknown:
            log.note("u", number)
        except BufferFull:  # the backend took nothing in time: certainly not stored
            log.note("f", number)
        else:
            log.note("c", number)
            return


async def _elsewhere(number: int) -> None:
    """Declares the group, whose consumers are other processes."""


async def _consume(app: App, log: Log) -> None:
    @app.subscriber("numbers", group="readers", concurrency=4, prefetch=PREFETCH)
    async def handle(number: int, delivery: Delivery) -> None:
        flagged = delivery.redelivered or (delivery.delivery_count or 1) > 1
        log.note("h", number, int(flagged))

    async with app:
        await asyncio.to_thread(sys.stdin.read)


async def _main(role: str, url: str, namespace: str, log: str, part: str) -> None:
    notes = Log(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    app = _app(url, namespace)
    if role == "publisher":
        await _publish(app, notes, int(part))
    else:
        await _consume(app, notes)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
