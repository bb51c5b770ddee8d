"""One consumer that keeps keys in order: prints what it begins and ends, until its input ends."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from anymq import App, Delivery
from anymq.config import Settings

__all__ = ["PARTITIONS"]

PARTITIONS = 3
WORK_S = 0.004


async def main(url: str, namespace: str) -> None:
    """Handle ``orders``; a line when it is ready, and when a handler begins and ends."""
    app = App(settings=Settings(url=url, namespace=namespace))
    app.topic("orders", partitions=PARTITIONS)

    @app.subscriber("orders", group="desk", order="key", concurrency=4, prefetch=30)
    async def handle(body: dict[str, Any], delivery: Delivery) -> None:
        said = delivery.key, body["n"]
        print("begin", time.monotonic(), os.getpid(), *said, flush=True)
        await asyncio.sleep(WORK_S)
        print("end", time.monotonic(), os.getpid(), *said, flush=True)

    async with app:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
