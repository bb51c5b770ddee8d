"""A consumer in a process of its own, to be killed: takes deliveries, says so, and keeps them.

    python -m tests.seam.consumer_process BACKEND URL NAMESPACE TOPIC GROUP COUNT OPTIONS

Prints one line, a JSON list of the ids it holds, and then works on them without an end. Ends by
itself only when its parent does (its standard input closes).
"""

from __future__ import annotations

import asyncio
import json
import sys

from anymq.abc import BackendContext
from anymq.support.clock import SystemClock
from anymq.topology import Source
from tests.seam.backends import backend_named
from tests.seam.traffic import collect, ids, keep_up

__all__: list[str] = []


async def _hold(
    name: str, url: str, namespace: str, topic: str, group: str, count: str, options: str
) -> None:
    context = BackendContext(SystemClock(), namespace=namespace, client_id="seam-victim")
    broker = backend_named(name).broker(url, context, **json.loads(options))
    capabilities = await broker.open(lambda _event: None)
    subscription = await broker.subscribe(
        Source((topic,), group), prefetch=int(count), on_lost=lambda _lost: None
    )
    held = await collect(subscription, int(count), within_s=30.0)
    sys.stdout.write(json.dumps(ids(held)) + "\n")
    sys.stdout.flush()
    async with asyncio.TaskGroup() as work:
        keeping = work.create_task(keep_up(subscription, held, capabilities.lease_s))
        await asyncio.to_thread(sys.stdin.read)
        keeping.cancel()
    await broker.aclose(timeout_s=5.0)


if __name__ == "__main__":
    asyncio.run(_hold(*sys.argv[1:]))
