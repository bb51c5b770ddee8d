"""Publishes and consumes so many messages, and tells how much memory it has on the way.

    python -m tests.faults.flow_process URL NAMESPACE COUNT STEPS

One line of JSON for each step: messages handled so far, and resident megabytes.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from pathlib import Path
from typing import Any

from anymq import App
from anymq.config import Settings

__all__: list[str] = []

BATCH = 500
PREFETCH = 1000
AHEAD = 4 * BATCH
"""How far the publisher may be before the consumer, so that a backlog is not taken for a leak."""
BODY = {"id": 12345, "name": "Ada Lovelace", "note": "x" * 180}
LIMIT_S = 60.0


class Flow:
    """Counts what was handled, and lets others wait for it."""

    def __init__(self) -> None:
        self.handled = 0
        self._wanted = 0
        self._reached = asyncio.Event()

    async def handle(self, body: dict[str, Any]) -> None:
        """One more."""
        self.handled += 1
        if self.handled >= self._wanted:
            self._reached.set()

    async def until(self, count: int) -> None:
        """Wait until so many were handled; each step has its own limit."""
        self._wanted = count
        if self.handled >= count:
            return
        self._reached.clear()
        async with asyncio.timeout(LIMIT_S):
            await self._reached.wait()


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def _main(url: str, namespace: str, count: int, steps: int) -> None:
    app = App(settings=Settings(url=url, namespace=namespace))
    app.topic("flow")
    flow = Flow()
    app.subscriber("flow", group="readers", prefetch=PREFETCH)(flow.handle)
    async with app:
        for sent in range(BATCH, count + 1, BATCH):
            await app.publish_many("flow", [BODY] * BATCH)
            await flow.until(sent - AHEAD)
            if sent % (count // steps) == 0:
                await flow.until(sent)
                gc.collect()
                said = {"handled": flow.handled, "resident_mb": round(_resident_mb(), 1)}
                print(json.dumps(said), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
