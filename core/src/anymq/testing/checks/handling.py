"""What a handler may count on: its surroundings, whatever the backend is."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import Any

from anymq.message import Delivery
from anymq.middleware.chain import Call, Middleware
from anymq.outcome import Outcome
from anymq.pipeline.context import Context
from anymq.retry import RetryPolicy
from anymq.router import Router
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.log_capture import captured_log

__all__ = ["Unexpected"]

FAST = RetryPolicy(max_attempts=4, first_delay_s=0.02, factor=1, jitter=0)


class Unexpected(Exception):
    """What no library expects."""


def _problems() -> dict[str, Callable[[], BaseException]]:
    """Ways to fail, by name."""
    return {
        "own": lambda: Unexpected("own"),
        "key": lambda: KeyError("key"),
        "group": lambda: ExceptionGroup("several", [ValueError("one"), TypeError("two")]),
        "timeout": lambda: TimeoutError("timeout"),
        "stop": lambda: StopAsyncIteration("stop"),
        "stray": lambda: asyncio.CancelledError("nobody asked for it"),
        "assert": lambda: AssertionError("assert"),
        "recursion": lambda: RecursionError("recursion"),
    }


@check("HND-01", "exception_is_nack", once=True)
async def exception_is_nack(bench: Bench) -> None:
    """Whatever a handler raises fails that attempt alone: it comes again, and the loop goes on."""
    app = await bench.app()
    topic, limited = app.topic(bench.topic()), app.topic(bench.topic("limited"))
    threaded = app.topic(bench.topic("threaded"))
    problems = _problems()
    in_thread: list[int] = []

    async def fails_once(value: Any, delivery: Delivery) -> None:
        if value in problems and delivery.attempt == 1:
            problem = problems[value]()
            raise problem

    async def slow_once(value: Any, delivery: Delivery) -> None:
        if delivery.attempt == 1:
            await asyncio.Event().wait()

    @app.subscriber(threaded, group="g", name="plain", retry=FAST)
    def plain(body: Any, delivery: Delivery) -> None:
        in_thread.append(delivery.attempt)
        if delivery.attempt == 1:
            raise Unexpected("in a thread")

    collector = bench.collect(app, topic, group="g", retry=FAST, behaviour=fails_once)
    slow = bench.collect(app, limited, group="g", retry=FAST, timeout_s=0.1, behaviour=slow_once)
    await bench.started(app)
    await bench.publish(app, topic, *problems, "good")
    await bench.publish(app, limited, "slow")
    await bench.publish(app, threaded, "t")
    await bench.received(collector, 2 * len(problems) + 1)
    await bench.received(slow, 2)
    await bench.wait(lambda: len(in_thread) == 2, "the plain function to be called again")
    await bench.quiet()
    expected = {**dict.fromkeys(problems, 2), "good": 1}
    expect(dict(collector.counts) == expected, f"calls per message: {dict(collector.counts)}")
    expect([seen.attempt for seen in slow.seen] == [1, 2], "a handler over its limit did not fail")
    expect(in_thread == [1, 2], f"a plain function's attempts: {in_thread}")
    health = await app.health()
    expect(health.ready, f"failing handlers made health {health.subscribers}")


@check("HND-02", "cancellation_does_not_log_error", once=True)
async def cancellation_is_quiet(bench: Bench) -> None:
    """Handlers cancelled by a stop leave no error, warning or unretrieved exception in the log."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def for_ever(value: Any, delivery: Delivery) -> None:
        await asyncio.Event().wait()

    collector = bench.collect(app, topic, group="g", concurrency=3, behaviour=for_ever)
    await bench.started(app)
    await bench.publish(app, topic, 1, 2, 3)
    await bench.wait(lambda: collector.running == 3, "three handlers")
    with captured_log() as records:
        await app.stop(grace_s=0.05)
        await app.close()
        gc.collect()
        await asyncio.sleep(0)
    loud = [f"{r.name}: {r.getMessage()}" for r in records if r.levelno >= logging.WARNING]
    expect(not loud, f"cancelled handlers were logged: {loud[:3]}")


@check("HND-03", "middleware_order", once=True)
async def middleware_order(bench: Bench) -> None:
    """The App's, then the Router's, then the subscriber's; each as given; no other router's."""
    calls: list[str] = []

    def layer(name: str) -> Middleware:
        async def around(delivery: Delivery, call_next: Call) -> Outcome:
            calls.append(f"+{name}")
            outcome = await call_next(delivery)
            calls.append(f"-{name}")
            return outcome

        return around

    app = await bench.app(middleware=[layer("app1"), layer("app2")])
    inner = Router(middleware=[layer("router1"), layer("router2")])
    other = Router(middleware=[layer("other")])
    routed, foreign = inner.topic(bench.topic("routed")), other.topic(bench.topic("foreign"))

    @inner.subscriber(routed, group="g", name="routed", middleware=(layer("own1"), layer("own2")))
    async def handle(body: Any) -> None:
        calls.append("handler")

    @other.subscriber(foreign, group="g", name="foreign")
    async def handle_foreign(body: Any) -> None:
        calls.append("foreign handler")

    app.include(inner)
    app.include(other)
    await bench.started(app)
    await bench.publish(app, routed, 1)
    await bench.wait(lambda: "-app1" in calls, "the first handler and its middleware")
    order = ["app1", "app2", "router1", "router2", "own1", "own2"]
    expected = [*(f"+{n}" for n in order), "handler", *(f"-{n}" for n in reversed(order))]
    expect(calls == expected, f"called in the order {calls}")
    calls.clear()
    await bench.publish(app, foreign, 1)
    await bench.wait(lambda: "-app1" in calls, "the second handler and its middleware")
    order = ["app1", "app2", "other"]
    expected = [*(f"+{n}" for n in order), "foreign handler", *(f"-{n}" for n in reversed(order))]
    expect(calls == expected, f"called in the order {calls}")


@check("HND-04", "context_items_reach_error_handler", once=True)
async def items_reach_hook(bench: Bench) -> None:
    """What middleware and handler put into items is there in the error hook; anew per attempt."""
    began_with: list[dict[str, Any]] = []
    hooked: list[dict[str, Any]] = []

    async def marks(delivery: Delivery, call_next: Call) -> Outcome:
        began_with.append(dict(delivery.items))
        delivery.items["middleware"] = delivery.attempt
        return await call_next(delivery)

    app = await bench.app(middleware=[marks])
    topic = app.topic(bench.topic())

    async def hook(delivery: Delivery, error: BaseException) -> None:
        hooked.append({**delivery.items, "error": str(error), "value": delivery.value["v"]})

    async def fails(value: Any, delivery: Delivery) -> None:
        delivery.items["handler"] = f"{value}{delivery.attempt}"
        raise Unexpected(f"attempt {delivery.attempt}")

    app.on_error(hook)
    policy = RetryPolicy(max_attempts=3, immediate=1, first_delay_s=0.02, jitter=0)
    collector = bench.collect(app, topic, group="g", retry=policy, behaviour=fails)
    await bench.started(app)
    await bench.publish(app, topic, "x")
    await bench.received(collector, 3)
    await bench.wait(lambda: len(hooked) == 3, "the error hook to be called three times")
    expected = [
        {"middleware": n, "handler": f"x{n}", "error": f"attempt {n}", "value": "x"}
        for n in (1, 2, 3)
    ]
    expect(hooked == expected, f"the hook saw {hooked}")
    expect(began_with == [{}] * 3, f"attempts began with {began_with}")


@check("HND-05", "receiving_address_visible", once=True)
async def address_visible(bench: Bench) -> None:
    """Topic, group and subscriber are what was declared, in handler, retry and error hook."""
    app = await bench.app()
    first, second = app.topic(bench.topic("a")), app.topic(bench.topic("b"))
    seen: list[tuple[Any, ...]] = []
    hooked: list[tuple[Any, ...]] = []

    async def hook(delivery: Delivery, error: BaseException) -> None:
        hooked.append((delivery.topic, delivery.group))

    app.on_error(hook)

    @app.subscriber(first, second, group="g", name="both", retry=FAST)
    async def both(body: Any, delivery: Delivery, context: Context[Any]) -> None:
        address = (delivery.topic, delivery.group, context.subscriber, context.group)
        seen.append((*address, tuple(context.topics), delivery.attempt))
        if delivery.attempt == 1:
            raise Unexpected

    anonymous: list[tuple[Any, ...]] = []

    @app.subscriber(second, name="private")
    async def private(body: Any, delivery: Delivery, context: Context[Any]) -> None:
        anonymous.append((delivery.topic, delivery.group, context.subscriber, context.group))

    await bench.started(app)
    await bench.publish(app, first, 1)
    await bench.publish(app, second, 2)
    await bench.wait(lambda: len(seen) == 4, "two messages, twice each")
    expected = {
        (topic, "g", "both", "g", (first, second), attempt)
        for topic in (first, second)
        for attempt in (1, 2)
    }
    expect(set(seen) == expected, f"handlers saw {seen}")
    expect(set(hooked) == {(first, "g"), (second, "g")}, f"hooks saw {hooked}")
    await bench.wait(lambda: len(anonymous) == 1, "the anonymous subscriber")
    expect(anonymous == [(second, None, "private", None)], f"anonymous: {anonymous}")
