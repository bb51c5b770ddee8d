"""Retrying: as often as the policy says, as late as it says, and counted truly."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from anymq.events import HookFailed, MessageDropped
from anymq.message import Delivery
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import also, check, expect
from anymq.testing.probe import until_dead

__all__: list[str] = []

FAST = RetryPolicy(max_attempts=3, first_delay_s=0.02, factor=1, jitter=0)


class _Broken(Exception):
    """What the checks' handlers raise."""


async def _fail(value: Any, delivery: Delivery) -> None:
    """A handler that always fails."""
    raise _Broken(f"on purpose, attempt {delivery.attempt}")


@check("RTY-01", "handler_error_is_retried_n_times")
async def exact_attempts(bench: Bench) -> None:
    """Exactly max_attempts calls, for one message among good ones."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def bad_one(value: Any, delivery: Delivery) -> None:
        if value == "bad":
            raise _Broken

    collector = bench.collect(app, topic, group="g", retry=FAST, behaviour=bad_one)
    await bench.started(app)
    await bench.publish(app, topic, "one", "bad", "two")
    await bench.received(collector, 5)
    await bench.quiet()
    counts = dict(collector.counts)
    expect(counts == {"one": 1, "bad": 3, "two": 1}, f"calls per message: {counts}")


@check("RTY-02", "attempts_are_not_multiplied")
async def not_multiplied(bench: Bench) -> None:
    """max_attempts calls in all, although core repeats at once and later, and a driver might."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    policy = RetryPolicy(max_attempts=6, immediate=1, first_delay_s=0.02, factor=1, jitter=0)
    collector = bench.collect(app, topic, group="g", retry=policy, behaviour=_fail)
    await bench.started(app)
    await bench.publish(app, topic, "x")
    await bench.received(collector, 6)
    await bench.quiet(0.4)
    expect(len(collector.seen) == 6, f"{len(collector.seen)} calls with max_attempts=6")
    entries = await app.dead_letters.entries(topic, "g")
    expect(len(entries) == 1, f"{len(entries)} dead letters of one message")


@check("RTY-03", "attempt_number_is_visible")
async def attempt_visible(bench: Bench) -> None:
    """1, 2, 3 … on every backend; the id stays the same."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    policy = RetryPolicy(max_attempts=4, first_delay_s=0.02, factor=1, jitter=0)
    collector = bench.collect(app, topic, group="g", retry=policy, behaviour=_fail)
    await bench.started(app)
    ids = await bench.publish(app, topic, "x")
    await bench.received(collector, 4)
    attempts = [seen.attempt for seen in collector.seen]
    expect(attempts == [1, 2, 3, 4], f"attempts seen: {attempts}")
    expect({seen.id for seen in collector.seen} == set(ids), "the id changed between attempts")


@also("RTY-03")
async def neighbours_not_charged(bench: Bench) -> None:
    """A failure is charged to who failed, not to what the same consumer holds beside it."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def one_fails(value: Any, delivery: Delivery) -> None:
        if value == "bad":
            raise _Broken
        await asyncio.sleep(0.01)

    collector = bench.collect(app, topic, group="g", retry=FAST, prefetch=10, behaviour=one_fails)
    await bench.started(app)
    await bench.publish_many(app, topic, ["bad", *range(8)])
    await bench.received(collector, 11)
    charged = {seen.value: seen.attempt for seen in collector.seen if seen.value != "bad"}
    expect(set(charged.values()) == {1}, f"attempts of messages that never failed: {charged}")


@check("RTY-04", "attempt_counter_reset_rule")
async def immediate_restarts(bench: Bench) -> None:
    """After a delayed retry the immediate ones begin anew; the attempt goes on counting."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    policy = RetryPolicy(max_attempts=6, immediate=1, first_delay_s=0.3, factor=1, jitter=0)
    collector = bench.collect(app, topic, group="g", retry=policy, behaviour=_fail)
    await bench.started(app)
    await bench.publish(app, topic, "x")
    await bench.received(collector, 6, limit_s=10)
    moments = [seen.at for seen in collector.seen]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    kinds = ["now" if gap < 0.15 else "later" for gap in gaps]
    expect(kinds == ["now", "later", "now", "later", "now"], f"gaps between attempts: {gaps}")
    attempts = [seen.attempt for seen in collector.seen]
    expect(attempts == [1, 2, 3, 4, 5, 6], f"attempts seen: {attempts}")


@check("RTY-05", "backoff_is_applied")
async def backoff(bench: Bench) -> None:
    """Gaps at least as configured, growing, capped; jitter only lengthens."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    policy = RetryPolicy(max_attempts=5, first_delay_s=0.1, factor=2, max_delay_s=0.3, jitter=0.2)
    collector = bench.collect(app, topic, group="g", retry=policy, behaviour=_fail)
    await bench.started(app)
    await bench.publish(app, topic, "x")
    await bench.received(collector, 5, limit_s=15)
    moments = [seen.at for seen in collector.seen]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    late = (bench.harness.timings.late_s + 1.0) * bench.harness.timings.scale
    for gap, least in zip(gaps, (0.1, 0.2, 0.3, 0.3), strict=True):
        expect(gap >= least, f"a retry came after {gap:.3f} s, before its {least} s: {gaps}")
        expect(gap <= least * 1.2 + late, f"a retry came only after {gap:.3f} s: {gaps}")


@check("RTY-06", "non_retryable_goes_straight_to_dlq", needs=("dead_letters",))
async def not_retryable(bench: Bench) -> None:
    """What `on` does not name is dead-lettered at attempt 1; what it names is retried."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    policy = RetryPolicy(max_attempts=3, first_delay_s=0.02, on=(_Broken,))

    async def two_kinds(value: Any, delivery: Delivery) -> None:
        raise _Broken if value == "retried" else LookupError("not worth it")

    collector = bench.collect(app, topic, group="g", retry=policy, behaviour=two_kinds)
    await bench.started(app)
    await bench.publish(app, topic, "hopeless", "retried")
    await bench.received(collector, 4)
    await bench.quiet()
    counts = dict(collector.counts)
    expect(counts == {"hopeless": 1, "retried": 3}, f"calls per message: {counts}")
    entries = await app.dead_letters.entries(topic, "g")
    expect(len(entries) == 2, f"{len(entries)} dead letters, not 2")


@check("RTY-08", "exhausted_without_dlq_follows_policy")
async def policies(bench: Bench) -> None:
    """drop: gone for good, and told. stop: the consumer ends, health says so, the message stays."""
    app = await bench.app()
    dropped, stopped = app.topic(bench.topic("drop")), app.topic(bench.topic("stop"))

    def policy(fate: Any) -> RetryPolicy:
        return RetryPolicy(max_attempts=2, first_delay_s=0.02, jitter=0, on_exhausted=fate)

    first = bench.collect(app, dropped, group="g", retry=policy("drop"), behaviour=_fail)
    second = bench.collect(app, stopped, group="g", retry=policy("stop"), behaviour=_fail)
    await bench.started(app)
    await bench.publish(app, dropped, "d")
    await bench.publish(app, stopped, "s")
    await bench.received(first, 2)
    await bench.received(second, 2)
    await bench.quiet(0.3)
    expect(len(first.seen) == 2, "a dropped message came back")
    expect(
        any(isinstance(event, MessageDropped) for event in bench.events),
        "a message was dropped, and nobody was told",
    )
    for topic in (dropped, stopped):
        expect(not await app.dead_letters.entries(topic, "g"), "dead-lettered against the policy")
    expect(len(second.seen) == 2, "a stopped consumer went on")
    health = await app.health()
    expect(not health.ready, "a consumer has stopped for good, and health is ready")
    other = await bench.app()
    other.topic(stopped)
    third = bench.collect(other, stopped, group="g")
    await bench.started(other)
    await bench.received(third, 1, limit_s=10)


@check("RTY-15", "poison_does_not_block_others")
async def poison_does_not_block(bench: Bench) -> None:
    """While one message waits for its retry, those behind it are handled."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    policy = RetryPolicy(max_attempts=2, first_delay_s=1.0, jitter=0)

    async def poison(value: Any, delivery: Delivery) -> None:
        if value == "poison":
            raise _Broken

    collector = bench.collect(app, topic, group="g", retry=policy, behaviour=poison)
    await bench.started(app)
    await bench.publish(app, topic, "poison", *range(20))
    await bench.received(collector, 21)
    passed = collector.seen[20].at - collector.seen[0].at
    expect(passed < bench.limit(0.8), f"20 good messages behind a poison took {passed:.2f} s")


@check("RTY-16", "headers_mutation_rolled_back")
async def headers_rolled_back(bench: Bench) -> None:
    """A failed attempt's edits of headers are seen neither later nor in the dead letter."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    policy = RetryPolicy(max_attempts=4, immediate=1, first_delay_s=0.02, factor=1, jitter=0)

    began_with: list[dict[str, str]] = []

    async def scribble(value: Any, delivery: Delivery) -> None:
        began_with.append(dict(delivery.headers))
        delivery.headers["color"] = "red"
        delivery.headers["extra"] = "new"
        raise _Broken

    collector = bench.collect(app, topic, group="g", retry=policy, behaviour=scribble)
    await bench.started(app)
    await bench.publish(app, topic, "x", headers={"color": "blue"})
    await bench.received(collector, 4)
    expect(began_with == [{"color": "blue"}] * 4, f"attempts began with {began_with}")
    entry = (await until_dead(bench, app, topic))[0]
    expect(dict(entry.message.headers) == {"color": "blue"}, f"kept: {entry.message.headers}")


@check("RTY-17", "error_handler_error_is_critical_and_retried")
async def broken_hook(bench: Bench) -> None:
    """An error hook that raises is told as critical, and the message goes its way."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def hook(delivery: Delivery, error: BaseException) -> None:
        raise RuntimeError("the hook itself is broken")

    app.on_error(hook)
    collector = bench.collect(app, topic, group="g", retry=FAST, behaviour=_fail)
    await bench.started(app)
    await bench.publish(app, topic, "x")
    await bench.received(collector, 3)
    await until_dead(bench, app, topic)
    told = [event for event in bench.events if isinstance(event, HookFailed)]
    expect(len(told) == 3, f"a hook that failed 3 times was told {len(told)} times")
