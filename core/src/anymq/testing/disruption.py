"""Faults that end whatever happens, and what must hold once they have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anymq.abc import BackendEvent
from anymq.app import App
from anymq.errors import AnyMQError
from anymq.events import ConsumerStopped, HookFailed
from anymq.support.ids import new_id
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, expect
from anymq.testing.collector import Collector
from anymq.testing.harness import Disruption

__all__ = ["Fault", "fault", "kinds", "received_or_told", "stopped", "unharmed", "until_heard"]


class Fault:
    """Ends before its block does, if asked to."""

    def __init__(self, bench: Bench, mend: Disruption) -> None:
        self._bench = bench
        self._mend: Disruption = mend
        self._is_over = False

    async def end(self) -> None:
        """Mend it. Idempotent."""
        if not self._is_over:
            self._is_over = True
            await self._bench.harness.disrupt(self._mend)


@asynccontextmanager
async def fault(bench: Bench, how: Disruption, *, mend: Disruption) -> AsyncIterator[Fault]:
    """Break the backend while the block runs."""
    broken = Fault(bench, mend)
    try:
        await bench.harness.disrupt(how)
        yield broken
    finally:
        await broken.end()


def kinds(bench: Bench) -> list[str]:
    """What the backend told of its condition, in order."""
    return [event.kind for event in bench.events if isinstance(event, BackendEvent)]


def stopped(bench: Bench) -> list[ConsumerStopped]:
    """Subscribers that ended for good."""
    return [event for event in bench.events if isinstance(event, ConsumerStopped)]


async def unharmed(bench: Bench, app: App, *, limit_s: float = 5.0) -> None:
    """No subscriber ended, nothing of core broke, and the application is ready again in time."""
    expect(not stopped(bench), f"a subscriber ended: {stopped(bench)}")
    failed = [event for event in bench.events if isinstance(event, HookFailed)]
    expect(not failed, f"a part of the application broke: {failed[:2]}")

    async def is_ready() -> bool:
        return (await app.health()).ready

    await bench.wait_async(is_ready, "the application to be ready again", limit_s)


async def until_heard(bench: Bench, app: App, topic: str, *collectors: Collector) -> None:
    """Publish until every collector has had something new, within the time of ``resume_s``.

    For subscriptions that may miss what is sent before they are restored (anonymous ones), and
    for topics that may be gone until then.
    """
    before = [len(collector.seen) for collector in collectors]

    async def is_heard() -> bool:
        try:
            await bench.publish(app, topic, "are you there", timeout_s=bench.limit(2))
        except AnyMQError:
            pass  # not yet: what was published is not counted on
        await bench.quiet(0.05)
        return all(len(c.seen) > n for c, n in zip(collectors, before, strict=True))

    what = "each subscriber to receive something again"
    await bench.wait_async(is_heard, what, bench.harness.timings.resume_s)


async def received_or_told(bench: Bench, app: App, topic: str, collector: Collector) -> bool:
    """Whether the subscriber goes on (True), or has told that it ended (False); else a failure.

    A subscriber that looks alive and receives nothing is what this finds.
    """
    answer: list[bool] = []
    asked: set[str] = set()

    async def is_known() -> bool:
        asked.add(value := f"are you there {len(asked)} {new_id()}")
        try:
            await bench.publish(app, topic, value, timeout_s=bench.limit(2))
        except AnyMQError:
            pass  # who ended may have taken the topic along
        await bench.quiet(0.05)
        if asked & set(collector.values):
            answer.append(True)
        elif stopped(bench) and not (await app.health()).ready:
            answer.append(False)
        return bool(answer)

    try:
        await bench.wait_async(is_known, "", bench.harness.timings.resume_s)
    except CheckFailed:
        health = await app.health()
        raise CheckFailed(
            f"a zombie: it receives nothing, and nobody was told ({health.status},"
            f" subscribers: {health.subscribers})"
        ) from None
    return answer[0]
