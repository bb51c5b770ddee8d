"""What handlers publish: apart from their fate, or part of it."""

from __future__ import annotations

from typing import Any

from anymq.errors import PublishRejected
from anymq.message import Delivery
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.probe import until_dead

__all__: list[str] = []

FAST = RetryPolicy(max_attempts=3, first_delay_s=0.02, factor=1, jitter=0)


@check("TXN-02", "isolated_send_is_emitted")
async def isolated_send(bench: Bench) -> None:
    """What a handler publishes on the application arrives, although the handler fails."""
    app = await bench.app()
    topic, out = app.topic(bench.topic()), app.topic(bench.topic("out"))

    async def sends_and_fails(value: Any, delivery: Delivery) -> None:
        await app.publish(out, bench.body(f"beside {delivery.attempt}"))
        await delivery.publish(out, bench.body(f"within {delivery.attempt}"))
        raise RuntimeError("on purpose")

    collector = bench.collect(app, topic, group="g", retry=FAST, behaviour=sends_and_fails)
    emitted = bench.collect(app, out, group="g")
    await bench.started(app)
    await bench.publish(app, topic, "x")
    await bench.exactly(emitted, [f"{how} {n}" for how in ("beside", "within") for n in (1, 2, 3)])
    expect(len(collector.seen) == 3, f"{len(collector.seen)} attempts, not 3")
    await until_dead(bench, app, topic)


@check("TXN-03", "send_from_error_handler_is_emitted")
async def send_from_error_hook(bench: Bench) -> None:
    """What an error hook publishes arrives, once for each failure."""
    app = await bench.app()
    topic, out = app.topic(bench.topic()), app.topic(bench.topic("out"))

    async def hook(delivery: Delivery, error: BaseException) -> None:
        if delivery.topic == topic:
            await app.publish(out, bench.body(f"{type(error).__name__} {delivery.attempt}"))

    async def fails(value: Any, delivery: Delivery) -> None:
        raise LookupError("on purpose")

    app.on_error(hook)
    bench.collect(app, topic, group="g", retry=FAST, behaviour=fails)
    emitted = bench.collect(app, out, group="g")
    await bench.started(app)
    await bench.publish(app, topic, "x")
    await bench.exactly(emitted, ["LookupError 1", "LookupError 2", "LookupError 3"])


@check("TXN-05", "produced_publish_failure_nacks_input")
async def failed_output(bench: Bench) -> None:
    """Output that cannot be published fails its handler: the input comes again, nothing is lost."""
    app = await bench.app()
    topic, missing = app.topic(bench.topic()), bench.topic("missing")
    by_return, swallowed = app.topic(bench.topic("returned")), app.topic(bench.topic("swallowed"))
    policy = RetryPolicy(
        max_attempts=50, first_delay_s=0.1, factor=1, jitter=0, on=(PublishRejected,)
    )
    failures: list[str] = []

    async def hook(delivery: Delivery, error: BaseException) -> None:
        failures.append(type(error).__name__)

    app.on_error(hook)

    @app.subscriber(by_return, group="g", name="returns", retry=policy)
    @app.publisher(missing)
    async def returns(body: Any) -> Any:
        return body

    async def swallows(value: Any, delivery: Delivery) -> None:
        try:
            await delivery.publish(missing, bench.body(value))
        except PublishRejected:
            return

    async def raises(value: Any, delivery: Delivery) -> None:
        await delivery.publish(missing, bench.body(value))

    quiet = bench.collect(app, swallowed, group="g", retry=policy, behaviour=swallows)
    plain = bench.collect(app, topic, group="g", retry=policy, behaviour=raises)
    await bench.started(app)
    await bench.publish(app, by_return, "by return")
    await bench.publish(app, swallowed, "swallowed")
    await bench.publish(app, topic, "raised")
    await bench.wait(lambda: len(failures) >= 3, "three handlers to fail for their output")
    await bench.received(quiet, 2)
    await bench.received(plain, 2)
    expect(set(failures) == {"PublishRejected"}, f"the hooks were told {set(failures)}")
    other = await bench.app()
    out = other.topic(missing)
    emitted = bench.collect(other, out, group="g")
    await bench.started(other)
    await bench.exactly(emitted, ["by return", "swallowed", "raised"])
    for collector in (quiet, plain):
        attempts = [seen.attempt for seen in collector.seen]
        expect(attempts == list(range(1, len(attempts) + 1)), f"attempts: {attempts}")
    for name in (by_return, swallowed, topic):
        entries = await app.dead_letters.entries(name, "g")
        expect(not entries, "dead-lettered, though its output could be published in the end")
