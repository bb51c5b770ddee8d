"""Messages that kill their process, and those beside them; retries that outlive a restart."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from anymq.app import App
from anymq.events import CrashLoop
from anymq.message import Delivery
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.collector import Collector
from anymq.testing.probe import is_settled, short_lease, until_dead

__all__ = ["Culprit", "crash_loop_ends"]

MAX_DELIVERIES = 4
LONE_STARTS = 3
"""A message set aside is started alone so often before it counts as the culprit."""
PATIENCE = MAX_DELIVERIES + LONE_STARTS + 3
"""More crashes than it may take."""
DELAY_S = 2.0


@check("RTY-19", "delayed_retry_survives_restart", needs=("persistent",), limit_s=60)
async def survives_restart(bench: Bench) -> None:
    """Backend and consumer restart during the delay of a retry: attempt 2 comes, not early."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    policy = RetryPolicy(max_attempts=3, first_delay_s=DELAY_S, jitter=0)

    async def fails_once(value: Any, delivery: Delivery) -> None:
        if delivery.attempt == 1:
            raise RuntimeError("on purpose")

    collector = bench.collect(app, topic, group="g", retry=policy, behaviour=fails_once)
    await bench.started(app)
    ids = await bench.publish(app, topic, "x", headers={"color": "blue"})
    await bench.received(collector, 1)
    await bench.wait_async(lambda: is_settled(bench, app, topic), "the retry to be handed over")
    await app.stop(grace_s=1)
    await bench.harness.disrupt("restart")
    await bench.started(app)
    await bench.received(collector, 2, limit_s=20)
    await bench.quiet()
    first, second, *more = collector.seen
    expect(not more, f"{len(more)} further deliveries after the retry")
    expect(second.attempt == 2, f"after the restart it came as attempt {second.attempt}")
    expect([second.id] == ids, "it came with another id")
    expect(second.headers == {"color": "blue"}, f"it came with the headers {second.headers}")
    expect(second.at - first.at >= DELAY_S, f"a retry after {second.at - first.at:.2f} s")


class Culprit:
    """Applications one after the other, each killed by the message that says so."""

    def __init__(self, bench: Bench, topic: str, **options: Any) -> None:
        self._bench = bench
        self._topic = topic
        self._options = options
        self.crashes = 0
        self.collectors: list[Collector] = []

    async def run(self) -> App:
        """Let applications start and be killed until one lives; returns it."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(PATIENCE):
                app, collector = await self._begin()
                if not await self._is_killed(app, collector):
                    return app
                self.crashes += 1
                await self._bench.crash(app)
                tasks.create_task(app.close(grace_s=0))
        raise CheckFailed(f"after {self.crashes} crashes the message is started still")

    async def _begin(self) -> tuple[App, Collector]:
        bench = self._bench
        app = await bench.app(plugin=short_lease(bench), grace_s=0.5)
        app.topic(self._topic)

        async def kills(value: Any, delivery: Delivery) -> None:
            if value == "culprit":
                await asyncio.Event().wait()

        collector = bench.collect(
            app,
            self._topic,
            group="g",
            name="c",
            max_deliveries=MAX_DELIVERIES,
            behaviour=kills,
            **self._options,
        )
        self.collectors.append(collector)
        return await bench.started(app), collector

    async def _is_killed(self, app: App, collector: Collector) -> bool:
        """Wait until the culprit runs, or is among the dead letters."""
        answer: list[bool] = []

        async def known() -> bool:
            if "culprit" in collector.values:
                answer.append(True)
            elif await app.dead_letters.entries(self._topic, "g"):
                answer.append(False)
            return bool(answer)

        await self._bench.wait_async(known, "the culprit to be started, or dead-lettered", 20)
        return answer[0]

    def starts(self, value: Any) -> int:
        """How often a value's handler was called, in all applications."""
        return sum(collector.counts[value] for collector in self.collectors)


async def _only_dead(bench: Bench, app: App, topic: str) -> None:
    """The dead letters are the culprit's alone, whole, and say why."""
    entries = await until_dead(bench, app, topic)
    expect(len(entries) == 1, f"{len(entries)} dead letters of one culprit")
    entry = entries[0]
    expect(b'"culprit"' in entry.message.body, "an innocent message is the dead letter")
    reason = entry.message.meta.get("anymq-death-reason")
    expect(reason == "crash_loop", f"dead-lettered because of {reason!r}")
    told = [event for event in bench.events if isinstance(event, CrashLoop)]
    expect(told, "a message was set aside, and nobody was told")


@check("RTY-20", "crash_loop_is_stopped", needs=("persistent",), limit_s=120)
async def crash_loop(bench: Bench) -> None:
    """A message that kills its process is dead-lettered after max_deliveries; others go on."""
    await crash_loop_ends(bench)


async def crash_loop_ends(bench: Bench) -> None:
    """The positive variant, for any backend that counts deliveries."""
    setup = await bench.app()
    topic = setup.topic(bench.topic())
    bench.collect(setup, topic, group="g", name="c")
    await setup.start(consume=False)
    await bench.publish(setup, topic, "culprit")
    loop = Culprit(bench, topic, concurrency=1)
    app = await loop.run()
    at_least, at_most = MAX_DELIVERIES - 1, MAX_DELIVERIES - 1 + LONE_STARTS
    expect(
        at_least <= loop.crashes <= at_most,
        f"stopped after {loop.crashes} crashes, not {at_least} to {at_most}",
    )
    await _only_dead(bench, app, topic)
    await bench.publish(setup, topic, "later")
    await bench.received(loop.collectors[-1], 1, limit_s=10)
    await bench.quiet()
    expect(loop.collectors[-1].values == ["later"], f"seen: {loop.collectors[-1].values}")
    await app.dead_letters.replay(topic, "g")
    await bench.wait(lambda: "culprit" in loop.collectors[-1].values, "the replayed culprit", 10)
    replayed = loop.collectors[-1].seen[-1]
    expect(replayed.attempt == 1, f"replayed, it came as attempt {replayed.attempt}")


@check("RTY-21", "neighbours_of_a_crash_are_not_charged", limit_s=120)
async def neighbours(bench: Bench) -> None:
    """10 neighbours prefetched through the crashes: attempt 1, all handled, one dead letter."""
    setup = await bench.app()
    topic = setup.topic(bench.topic())
    bench.collect(setup, topic, group="g", name="c")
    await setup.start(consume=False)
    values = [f"n{n}" for n in range(10)]
    await bench.publish(setup, topic, "culprit", *values)
    loop = Culprit(bench, topic, concurrency=1, prefetch=20)
    app = await loop.run()
    await bench.wait(lambda: all(loop.starts(v) for v in values), "all neighbours", 20)
    await bench.wait_async(lambda: is_settled(bench, app, topic), "all to be settled", 10)
    await bench.quiet()
    await _only_dead(bench, app, topic)
    attempts = {seen.attempt for c in loop.collectors for seen in c.seen}
    expect(attempts == {1}, f"attempts, though no handler failed: {attempts}")
    repeated = {v: loop.starts(v) for v in values if loop.starts(v) > 1}
    expect(not repeated, f"handled in peace, and then again: {repeated}")
    await _waits_alone(bench)


async def _waits_alone(bench: Bench) -> None:
    """One set aside, and others that are running: it waits for them, then runs alone."""
    topic = bench.topic("mixed")
    setup = await bench.app()
    setup.topic(topic)
    bench.collect(setup, topic, group="g", name="c")
    await setup.start(consume=False)
    await bench.publish(setup, topic, "culprit")
    loop = Culprit(bench, topic, concurrency=4, prefetch=20)
    bench_values = [f"m{n}" for n in range(30)]
    await bench.publish(setup, topic, *bench_values)
    began = time.monotonic()
    app = await loop.run()
    await bench.wait(lambda: all(loop.starts(v) for v in bench_values), "all beside it", 20)
    await bench.wait_async(lambda: is_settled(bench, app, topic), "all to be settled", 10)
    await _only_dead(bench, app, topic)
    expect(time.monotonic() - began < bench.limit(60), "the crash loop took a minute to stop")
