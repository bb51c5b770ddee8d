"""Load: publishers that go on through faults, and the account of what became of each message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from anymq.app import App
from anymq.errors import BackendUnavailable, PublishUnknown
from anymq.support.ids import new_id
from anymq.testing.bench import Bench
from anymq.testing.check import expect
from anymq.testing.collector import Collector, Seen

__all__ = ["Load", "under_load"]

PACE_S = 0.004
PUBLISHERS = 2


class Load:
    """Publishes one value after the other, each repeated with its id until it is confirmed."""

    def __init__(self, bench: Bench, app: App, topic: str) -> None:
        self._bench = bench
        self._app = app
        self._topic = topic
        self._is_over = False
        self.confirmed: list[str] = []
        self.doubtful: set[str] = set()
        """Values whose fate was unknown at least once: they may be seen twice."""

    async def run(self, publisher: int) -> None:
        """Publish until stopped."""
        n = 0
        while not self._is_over:
            n += 1
            await self._publish(f"{publisher}-{n}")
            await asyncio.sleep(PACE_S)

    def stop(self) -> None:
        """Publish nothing new."""
        self._is_over = True

    async def progress(self, count: int = 30) -> None:
        """Wait until so many more are confirmed: publishing goes on, not only what it had."""
        wanted = len(self.confirmed) + count
        what = f"{count} more to be confirmed"
        await self._bench.wait(
            lambda: len(self.confirmed) >= wanted, what, self._bench.harness.timings.resume_s + 5
        )

    async def account(self, collector: Collector, *, faults: int, holds: int) -> None:
        """Nothing confirmed is lost; extras are flagged, and no more than faults explain."""
        wanted = set(self.confirmed)
        done = await collector.until(lambda: wanted <= set(collector.values), self._bench.limit(10))
        lost = sorted(wanted - set(collector.values))
        expect(done, f"{len(lost)} of {len(wanted)} confirmed messages are lost: {lost[:5]}")
        await self._bench.quiet()
        phantoms = set(collector.values) - wanted - self.doubtful
        expect(not phantoms, f"seen, though never published: {sorted(phantoms)[:5]}")
        extras = _repetitions(collector.seen)
        silent = {s.value for s in extras if not (s.redelivered or (s.delivery_count or 1) > 1)}
        silent -= self.doubtful
        expect(not silent, f"came twice, and nothing says so: {sorted(silent)[:5]}")
        bound = faults * (holds + PUBLISHERS)
        expect(len(extras) <= bound, f"{len(extras)} extras, where {bound} are explained")
        counted = {seen.attempt for seen in collector.seen}
        expect(counted <= {1}, f"faults were counted as failures of a handler: {counted}")

    async def _publish(self, value: str) -> None:
        bench, message_id = self._bench, new_id()
        while True:
            try:
                await bench.publish(
                    self._app,
                    self._topic,
                    value,
                    message_id=message_id,
                    timeout_s=bench.limit(3),
                )
            except (PublishUnknown, BackendUnavailable):
                self.doubtful.add(value)
            else:
                self.confirmed.append(value)
                return


def _repetitions(calls: Iterable[Seen]) -> list[Seen]:
    """All calls but each value's first."""
    seen: set[str] = set()
    extras = []
    for call in calls:
        if call.value in seen:
            extras.append(call)
        seen.add(call.value)
    return extras


@asynccontextmanager
async def under_load(bench: Bench, app: App, topic: str) -> AsyncIterator[Load]:
    """While the block runs, two publishers publish to the topic."""
    load = Load(bench, app, topic)
    async with asyncio.TaskGroup() as tasks:
        for publisher in range(PUBLISHERS):
            tasks.create_task(load.run(publisher))
        try:
            yield load
        finally:
            load.stop()
