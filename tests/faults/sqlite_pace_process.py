"""A consumer in a process of its own, whose pace is measured.

    python -m tests.faults.sqlite_pace_process FILE late|count

``late``: prints for each message how many seconds ago it was sent (its body is that moment, by the
machine's monotonic clock). ``count``: handles until nothing has come for a second, then prints how
many those were, and the monotonic moments of the first and the last. Says ``ready`` first; ends
with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
import time

from anymq import App

__all__: list[str] = []


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _main(file: str, what: str) -> None:
    app = App(f"sqlite:///{file}")
    app.topic("t")
    moments: list[float] = []

    @app.subscriber("t", group="g", prefetch=500, concurrency=4)
    async def handle(sent_at: float) -> None:
        now = time.monotonic()
        if what == "late":
            _say(f"{now - sent_at:.6f}")
        else:
            moments.append(now)

    async with app:
        _say("ready")
        while what == "count" and (not moments or time.monotonic() - moments[-1] < 1):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # silence is no event
        if what == "count":
            _say(f"{len(moments)} {moments[0]} {moments[-1]}")
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:3]))
