"""What must end, and what must not: permanent errors, and everything else that goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from anymq.abc import Subscription
from anymq.app import App
from anymq.errors import AnyMQError
from anymq.message import Delivery
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.disruption import (
    fault,
    received_or_told,
    stopped,
    unharmed,
    until_heard,
)
from anymq.testing.leaks import Footprint, footprint
from anymq.testing.load import under_load

__all__: list[str] = []

WATCH_S = 2.0
TRIES = 6
"""Most connections tried in WATCH_S once it is known that no more are granted."""
CUTS = 6
GAP_S = 0.25
HOLDS = 8
SLACK = 3
"""Tasks or descriptors more than before: one may just be ending."""


@check("REC-11", "permanent_error_is_terminal", disrupts=("revoke", "heal"), limit_s=60)
async def permanent_error(bench: Bench) -> None:
    """Access is revoked: subscribers end and say so, health is down, nobody tries for ever."""
    app = await bench.app(url=await bench.harness.revocable_url())
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    await bench.publish(app, topic, "before")
    await bench.received(collector, 1)
    async with fault(bench, "revoke", mend="heal"):
        limit_s = bench.harness.timings.detect_s
        await bench.wait(lambda: bool(stopped(bench)), "a subscriber to say that it ended", limit_s)
        await _is_down(bench, app)
        await _unpublishable(bench, app, topic)
        await _is_at_rest(bench)
    expect(len(stopped(bench)) == 1, f"one subscriber ended {len(stopped(bench))} times")
    async with asyncio.timeout(bench.limit(10)):
        await app.close()


async def _is_down(bench: Bench, app: App) -> None:
    health = await app.health()
    expect(not health.ready and health.status == "down", f"without access health is {health}")
    expect(health.live, "an application without access is not live")
    reason = health.subscribers["collector-1"]
    expect(reason not in ("running", "paused"), f"a subscriber without access is {reason!r}")
    async with asyncio.timeout(bench.limit(2)):
        await app.wait_failed()


async def _unpublishable(bench: Bench, app: App, topic: str) -> None:
    try:
        async with asyncio.timeout(bench.limit(5)):
            await app.publish(topic, bench.body("x"), timeout_s=1)
    except AnyMQError:
        return
    except TimeoutError:
        raise CheckFailed("publishing without access did not end") from None
    raise CheckFailed("publishing without access said that it was done")


async def _is_at_rest(bench: Bench) -> None:
    """Nobody goes on knocking at a door that is closed for good."""
    before = await bench.harness.connections()
    await bench.quiet(WATCH_S)
    after = await bench.harness.connections()
    if before:
        tries = after["accepted"] - before["accepted"]
        expect(tries <= TRIES, f"{tries} attempts in {WATCH_S} s after access was revoked")


@check("REC-12", "consumer_loop_survives_exceptions", disrupts=("cut",), limit_s=90)
async def loop_survives(bench: Bench) -> None:
    """Many cuts, then an exception in the loop: it goes on, or health fails; nothing decays."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=4, prefetch=HOLDS)
    private = bench.collect(app, app.topic(bench.topic("aside")))
    await bench.started(app)
    async with under_load(bench, app, topic) as load:
        await load.progress(10)
        before = await footprint(bench.harness)
        for _ in range(CUTS):
            await bench.harness.disrupt("cut")
            await bench.quiet(GAP_S)
        await load.progress()
        await _nothing_grew(bench, before)
    await load.account(collector, faults=CUTS, holds=HOLDS)
    await unharmed(bench, app)
    await until_heard(bench, app, app.declarations.subscribers[1].topics[0], private)
    await _exception_in_the_loop(bench, app, topic, collector)


async def _nothing_grew(bench: Bench, before: Footprint) -> None:
    """As many consumers as before, and no more tasks, threads and descriptors."""
    seen = [before]

    async def is_same() -> bool:
        seen.append(after := await footprint(bench.harness))
        return after.backend == before.backend and (
            after.tasks <= before.tasks + SLACK
            and after.threads <= before.threads + SLACK
            and after.descriptors <= before.descriptors + SLACK
        )

    try:
        await bench.wait_async(is_same, "", bench.harness.timings.resume_s)
    except CheckFailed:
        raise CheckFailed(f"before {CUTS} cuts {before}, afterwards {seen[-1]}") from None


class _Raising(Subscription):
    """A subscription whose next receive raises something that no interface mentions."""

    def __init__(self, inner: Subscription) -> None:
        self._inner = inner
        self.has_raised = False

    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        if not self.has_raised:
            self.has_raised = True
            raise LookupError("thrown into the loop by the kit")
        return await self._inner.receive(max_messages=max_messages, wait_s=wait_s)

    async def settle(self, items: Any, *, timeout_s: float) -> Any:
        return await self._inner.settle(items, timeout_s=timeout_s)

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        return await self._inner.keep(deliveries)

    async def pause(self) -> None:
        await self._inner.pause()

    async def resume(self) -> None:
        await self._inner.resume()

    async def stop(self) -> None:
        await self._inner.stop()

    async def aclose(self, *, timeout_s: float) -> None:
        await self._inner.aclose(timeout_s=timeout_s)


async def _exception_in_the_loop(bench: Bench, app: App, topic: str, collector: Any) -> None:
    """Whatever a plugin raises, the subscriber goes on, or it has told that it ended."""
    intake = app._lifecycle.engine.consumers["collector-1"]._intake
    raising = intake._subscription = _Raising(intake._subscription)
    await bench.publish(app, topic, "wake up")
    await bench.wait(lambda: raising.has_raised, "the loop to receive", 35)
    await received_or_told(bench, app, topic, collector)
