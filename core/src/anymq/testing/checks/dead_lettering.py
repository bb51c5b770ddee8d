"""Dead letters: exactly one copy, whole, with its facts, and a way back."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from anymq.errors import Busy
from anymq.message import Delivery
from anymq.outcome import DeadLetter
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.probe import is_settled, until_dead

__all__: list[str] = []

TWICE = RetryPolicy(max_attempts=2, first_delay_s=0.02, jitter=0)
NEEDS = ("dead_letters",)


class _Broken(Exception):
    """What the checks' handlers raise."""


@check("RTY-07", "exhausted_goes_to_dlq_once", needs=NEEDS)
async def exhausted_once(bench: Bench) -> None:
    """The dead letters hold exactly one copy, the source is acked, later messages flow."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def bad(value: Any, delivery: Delivery) -> None:
        if value == "bad":
            raise _Broken

    collector = bench.collect(app, topic, group="g", retry=TWICE, behaviour=bad)
    await bench.started(app)
    await bench.publish(app, topic, "bad")
    await until_dead(bench, app, topic)
    await bench.publish(app, topic, "later")
    await bench.received(collector, 3)
    await bench.quiet()
    entries = await app.dead_letters.entries(topic, "g")
    expect(len(entries) == 1, f"{len(entries)} dead letters of one message")
    expect(collector.counts["bad"] == 2, f"{collector.counts['bad']} calls with max_attempts=2")
    await bench.wait_async(lambda: is_settled(bench, app, topic), "the originals to be settled")
    await app.stop()
    await bench.started(app)
    await bench.quiet()
    expect(collector.counts["bad"] == 2, "an exhausted message came back after a restart")


@check("RTY-09", "dlq_payload_is_byte_identical", needs=NEEDS)
async def byte_identical(bench: Bench) -> None:
    """Body, user headers, key, content type and id are as they were published."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    headers = {"Trace": "a/b c", "ünïcode": "✓ \t tab", "empty": ""}

    async def bad(value: Any, delivery: Delivery) -> DeadLetter:
        bodies.append(delivery.body)
        return DeadLetter("asked for")

    bodies: list[bytes] = []
    bench.collect(app, topic, group="g", behaviour=bad)
    await bench.started(app)
    ids = await bench.publish(app, topic, {"deep": [1, 2.5, None, "ß"]}, headers=headers, key="k1")
    message = (await until_dead(bench, app, topic))[0].message
    expect(message.body == bodies[0], "the body's bytes changed")
    expect(dict(message.headers) == headers, f"headers became {dict(message.headers)}")
    expect(message.id == ids[0], f"the id became {message.id}")
    expect(message.key == "k1", f"the key became {message.key!r}")
    expect(message.content_type == "application/json", f"type became {message.content_type}")


@check("RTY-10", "dlq_headers_present", needs=NEEDS)
async def facts_present(bench: Bench) -> None:
    """Reason, exception, source, group, attempts, first and last time; not among user headers."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def bad(value: Any, delivery: Delivery) -> None:
        raise _Broken("a short explanation")

    bench.collect(app, topic, group="g", retry=TWICE, behaviour=bad)
    await bench.started(app)
    await bench.publish(app, topic, "x", headers={"mine": "1"})
    message = (await until_dead(bench, app, topic))[0].message
    facts = dict(message.meta)
    expect("Broken" in facts.get("anymq-death-error", ""), f"no exception type in {list(facts)}")
    expect("explanation" in facts.get("anymq-death-message", ""), "no exception text")
    expect(facts.get("anymq-death-reason"), "no reason")
    expect(facts.get("anymq-death-topic") == topic, "no source topic")
    expect(facts.get("anymq-death-group") == "g", "no group")
    expect(
        facts.get("anymq-death-attempts") == "2", f"{facts.get('anymq-death-attempts')} attempts"
    )
    first = float(facts.get("anymq-first-failed-at", "nan"))
    last = float(facts.get("anymq-death-at", "nan"))
    expect(0 < first <= last, f"first failure {first}, last {last}")
    expect(dict(message.headers) == {"mine": "1"}, f"facts among user headers: {message.headers}")


@check("RTY-11", "dlq_header_overflow_is_truncated", needs=NEEDS)
async def overflow(bench: Bench) -> None:
    """An exception of 200 KiB, in many languages, does not keep a message from its dead letters."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def bad(value: Any, delivery: Delivery) -> None:
        raise _Broken("Fehler ✗ " * 25_000)

    bench.collect(app, topic, group="g", retry=TWICE, behaviour=bad)
    await bench.started(app)
    await bench.publish(app, topic, "x")
    message = (await until_dead(bench, app, topic))[0].message
    size = sum(len(k.encode()) + len(v.encode()) for k, v in message.meta.items())
    expect(size <= 16 * 1024, f"the facts take {size} bytes")


@check("RTY-12", "dlq_publish_failure_keeps_original", needs=NEEDS)
async def failure_keeps_original(bench: Bench) -> None:
    """While dead letters cannot be stored the original stays; it gets there later."""
    app = await bench.app(plugin={})
    topic = app.topic(bench.topic())

    async def bad(value: Any, delivery: Delivery) -> DeadLetter:
        return DeadLetter("asked for")

    collector = bench.collect(app, topic, group="g", behaviour=bad)
    await bench.started(app)
    broker: Any = app._lifecycle.engine.broker
    refusing = _Refusing(broker, app.consumers["collector-1"])
    with refusing:
        await bench.publish(app, topic, "x")
        await bench.received(collector, 1)
        await bench.wait(lambda: refusing.refused > 0, "an attempt to store the dead letter")
        gone = await is_settled(bench, app, topic)
        expect(not gone, "the original was acknowledged, though its dead letter was not stored")
    await until_dead(bench, app, topic)


@check("RTY-13", "dlq_publish_survives_cancellation", needs=NEEDS)
async def survives_cancellation(bench: Bench) -> None:
    """A handler ended by its time limit (its scope cancelled) still gets to the dead letters."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def too_long(value: Any, delivery: Delivery) -> None:
        await asyncio.Event().wait()

    policy = RetryPolicy(max_attempts=1)
    bench.collect(app, topic, group="g", retry=policy, timeout_s=0.05, behaviour=too_long)
    await bench.started(app)
    await bench.publish(app, topic, "x")
    message = (await until_dead(bench, app, topic))[0].message
    kind = message.meta.get("anymq-death-error", "")
    expect("TimeoutError" in kind, f"dead-lettered for {kind!r}, not its time limit")


@check("RTY-14", "undecodable_message_is_poison", needs=NEEDS)
async def undecodable(bench: Bench) -> None:
    """Raw bytes get to the dead letters, nothing is swallowed, the consumer goes on."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", retry=TWICE)
    await bench.started(app)
    bad = [b"\xff\xfe not json", b"", b'{"cut": ', b"\x00" * 10]
    async with bench.broker() as broker:
        await broker.send([bench.message(topic, body) for body in bad], timeout_s=5)
    await bench.publish(app, topic, "good")
    await bench.received(collector, 1)
    entries = await until_dead(bench, app, topic, len(bad))
    expect(sorted(e.message.body for e in entries) == sorted(bad), "the raw bytes were changed")
    attempts = {entry.message.meta.get("anymq-death-attempts") for entry in entries}
    expect(attempts == {"1"}, f"undecodable messages had {attempts} attempts, not 1")
    await bench.wait_async(
        lambda: is_settled(bench, app, topic), "undecodable messages to leave the group"
    )


@check("RTY-18", "dlq_replay", needs=NEEDS)
async def replay(bench: Bench) -> None:
    """Replay of one, then of all: delivered again, counters reset, facts gone; listing removes
    nothing, a second operator is told to wait."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    mended = False

    async def bad_until_mended(value: Any, delivery: Delivery) -> None:
        if not mended:
            raise _Broken

    collector = bench.collect(app, topic, group="g", retry=TWICE, behaviour=bad_until_mended)
    await bench.started(app)
    await bench.publish(app, topic, "a", "b", "c", headers={"h": "1"})
    entries = await until_dead(bench, app, topic, 3)
    again = await app.dead_letters.entries(topic, "g")
    expect([e.id for e in entries] == [e.id for e in again], "listing changed the list")
    mended = True
    before = len(collector.seen)
    management = app._lifecycle.engine.broker.management()
    async with management.administer(topic, "g", lease_s=30):
        try:
            await app.dead_letters.replay(topic, "g")
        except Busy:
            pass
        else:
            raise CheckFailed("two operators worked on the same dead letters at once")
    report = await app.dead_letters.replay(topic, "g", [entries[0].id])
    expect(report.replayed == 1, f"replay of one id replayed {report.replayed}")
    await bench.received(collector, before + 1)
    await app.dead_letters.replay(topic, "g")
    await bench.received(collector, before + 3)
    await bench.quiet()
    fresh = collector.seen[before:]
    expect(sorted(s.value for s in fresh) == ["a", "b", "c"], f"came: {[s.value for s in fresh]}")
    expect(all(s.attempt == 1 for s in fresh), "the attempt was not reset by the replay")
    expect(all(s.headers == {"h": "1"} for s in fresh), "headers changed by the replay")
    leftovers = [k for s in fresh for k in s.delivery.message.meta if "death" in k]
    expect(not leftovers, f"facts survived the replay: {leftovers}")
    expect(not await app.dead_letters.entries(topic, "g"), "replayed dead letters are still there")


class _Refusing:
    """Makes a Broker refuse dead letters for a while, by either way they may go."""

    def __init__(self, broker: Any, consumer: Any) -> None:
        self._broker = broker
        self._subscription = consumer._subscription
        self.refused = 0

    def __enter__(self) -> Self:
        send, settle = self._broker.send, self._subscription.settle

        async def refusing_send(messages: Any, **options: Any) -> Any:
            if any(message.lane == "dead" for message in messages):
                self.refused += 1
                raise ConnectionResetError("on purpose")
            return await send(messages, **options)

        async def refusing_settle(items: Any, **options: Any) -> Any:
            if any(isinstance(item.outcome, DeadLetter) for item in items):
                self.refused += 1
                raise ConnectionResetError("on purpose")
            return await settle(items, **options)

        self._broker.send, self._subscription.settle = refusing_send, refusing_settle
        return self

    def __exit__(self, *exc_info: object) -> None:
        del self._broker.send, self._subscription.settle
