"""Messages: bodies, headers and limits survive the journey, or are refused before it."""

from __future__ import annotations

from typing import Any

from anymq.codecs.raw import RawCodec
from anymq.errors import MessageTooLarge, PublishRejected
from anymq.message import Delivery
from anymq.outcome import Confirmed, Rejected
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, also, check, expect
from anymq.testing.probe import until_dead

__all__: list[str] = []

WEIRD = {
    "plain": "value",
    "with space": "a b  c",
    "slash/es": "http://example.test/a?b=c&d=%20",
    'quo"tes': 'it\'s "quoted"',
    "ünïcodé": "日本語 🗞️ ✓",
    "line": "one\ntwo\r\nthree\ttab",
    "control": "\x01\x02\x7f",
    "empty": "",
    "nul": "a\x00b",
    "json": '{"a": [1, 2]}',
    "x" * 128: "y" * 4000,
}
LONG_NAME = "n" * 200
"""Longer than what AMQP can carry."""


@check("MSG-01", "metadata_round_trip_weird_strings")
async def weird_metadata(bench: Bench) -> None:
    """Slashes, quotes, spaces, Unicode and control characters, as header names and values, as key
    and as correlation id."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    keys: list[Any] = []

    async def note(value: Any, delivery: Delivery) -> None:
        keys.append((delivery.key, delivery.correlation_id))

    collector = bench.collect(app, topic, group="g", behaviour=note)
    await bench.started(app)
    await bench.publish(app, topic, 1, headers=WEIRD, key="kéy/1 ✓", correlation_id="c/ö 1")
    await bench.received(collector, 1)
    got = collector.seen[0].headers
    wrong = [name for name in {*WEIRD, *got} if WEIRD.get(name) != got.get(name)]
    expect(not wrong, f"headers changed: {[n[:20] for n in wrong]}")
    expect(keys == [("kéy/1 ✓", "c/ö 1")], f"key and correlation id became {keys}")


@also("MSG-01")
async def long_name(bench: Bench) -> None:
    """A long header name arrives whole, or is refused with a typed error before it is sent."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    try:
        await bench.publish(app, topic, 1, headers={LONG_NAME: "v"})
    except PublishRejected as error:
        expect(error.code in ("too_large", "invalid"), f"rejected with {error.code!r}")
        return
    await bench.received(collector, 1)
    expect(collector.seen[0].headers == {LONG_NAME: "v"}, "a header of a long name changed")


@check("MSG-02", "header_key_case_and_duplicates")
async def header_case(bench: Bench) -> None:
    """Names keep their case, and two that differ in case only are two."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    headers = {"X-Case": "upper", "x-case": "lower", "MiXeD": "1"}
    await bench.publish(app, topic, 1, headers=headers)
    await bench.received(collector, 1)
    expect(collector.seen[0].headers == headers, f"headers became {collector.seen[0].headers}")


@check("MSG-03", "non_utf8_metadata_rejected")
async def bad_metadata(bench: Bench) -> None:
    """What no backend could carry is a typed error before anything is sent."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    bad: list[dict[Any, Any]] = [
        {"lone": "\ud800"},
        {"\udfff": "name"},
        {"number": 1},
        {"none": None},
        {"bytes": b"\xff"},
        {"": "no name"},
        {1: "a number as name"},
    ]
    for headers in bad:
        try:
            await app.publish(topic, bench.body("bad"), headers=headers)
        except PublishRejected as error:
            expect(error.code == "invalid", f"{headers!r} was rejected with {error.code!r}")
        else:
            raise CheckFailed(f"headers {headers!r} were accepted")
    await bench.publish(app, topic, "good")
    await bench.exactly(collector, ["good"])


@check("MSG-04", "binary_payload_identical")
async def binary(bench: Bench) -> None:
    """All 256 byte values, embedded NUL, invalid UTF-8: byte for byte."""
    bodies = [bytes(range(256)), b"\x00", b"\xff\xfe\x00\x80", bytes(range(256)) * 40]
    await _round_trip(bench, bodies)


@check("MSG-05", "empty_payload")
async def empty(bench: Bench) -> None:
    """b"" arrives as b"", and stays apart from the JSON null."""
    await _round_trip(bench, [b"", b"null"])


@check("MSG-06", "big_payload_64KiB")
async def big(bench: Bench) -> None:
    """64 KiB pass on every backend."""
    await _round_trip(bench, [bytes(n % 251 for n in range(65_536))])


@check("MSG-07", "big_payload_1MiB")
async def very_big(bench: Bench) -> None:
    """1 MiB passes where the backend takes it, and is refused, typed, where it does not."""
    size = 1_048_576
    if bench.capabilities.max_message_bytes >= size:
        await _round_trip(bench, [b"\xa5" * size])
        return
    app = await bench.app(codec=RawCodec())
    topic = app.topic(bench.topic())
    await bench.started(app)
    await _refused(app.publish(topic, b"\xa5" * size))


@check("MSG-08", "over_limit_is_permanent_error")
async def over_limit(bench: Bench) -> None:
    """Too large: typed, before sending, the batch's others unaffected; just the limit passes."""
    limit = bench.capabilities.max_message_bytes
    app = await bench.app(codec=RawCodec())
    topic = app.topic(bench.topic())
    sizes: list[int] = []

    @app.subscriber(topic, group="g")
    async def note(body: bytes) -> None:
        sizes.append(len(body))

    await bench.started(app)
    await _refused(app.publish(topic, b"x" * (limit + 1)))
    results = await app.publish_many(topic, [b"a", b"x" * (limit + 1), b"bb"])
    kinds = [type(result) for result in results]
    expect(kinds == [Confirmed, Rejected, Confirmed], f"results: {kinds}")
    code = results[1].code if isinstance(results[1], Rejected) else ""
    expect(code == "too_large", f"rejected with {code!r}")
    await app.publish(topic, b"x" * limit, timeout_s=bench.limit(20))
    await bench.wait(lambda: len(sizes) >= 3, "the three messages within the limit", 15)
    expect(sorted(sizes) == [1, 2, limit], f"sizes that arrived: {sizes}")


@check("MSG-09", "many_headers")
async def many_headers(bench: Bench) -> None:
    """100 headers of 1 KiB arrive, or are refused with a typed limit error."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    headers = {f"header-{n}": f"{n}:" + "v" * 1020 for n in range(100)}
    try:
        await bench.publish(app, topic, 1, headers=headers)
    except PublishRejected as error:
        expect(error.code in ("too_large", "invalid"), f"rejected with {error.code!r}")
        return
    await bench.received(collector, 1)
    expect(collector.seen[0].headers == headers, "some of the 100 headers changed or are missing")


@check("MSG-10", "internal_headers_do_not_leak")
async def no_leak(bench: Bench) -> None:
    """Framework headers are invisible to the user and not published again with the user's."""
    app = await bench.app()
    source, target = app.topic(bench.topic("source")), app.topic(bench.topic("target"))

    async def forward(value: Any, delivery: Delivery) -> None:
        await delivery.publish(target, bench.body(value), headers=delivery.headers)

    first = bench.collect(app, source, group="g", behaviour=forward)
    second = bench.collect(app, target, group="g")
    await bench.started(app)
    await bench.publish(app, source, 1, headers={"mine": "1"}, ttl_s=60, key="k")
    await bench.received(second, 1)
    for collector in (first, second):
        headers = collector.seen[0].headers
        expect(headers == {"mine": "1"}, f"the user sees {headers}")
    expect(second.seen[0].id != first.seen[0].id, "the forwarded message kept the id")
    expect(second.seen[0].key is None, "the key was passed on, though nobody asked")


@check("MSG-11", "user_header_cannot_spoof_internal")
async def no_spoofing(bench: Bench) -> None:
    """The reserved prefix is refused in any case, and the trace headers with it."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    await bench.started(app)
    for name in ("anymq-attempt", "AnyMQ-Id", "anymq-death-reason", "traceparent"):
        try:
            await app.publish(topic, bench.body(0), headers={name: "7"})
        except PublishRejected as error:
            expect(error.code == "invalid", f"{name}: rejected with {error.code!r}")
            expect(name in str(error), f"the error does not name {name!r}: {error}")
        else:
            raise CheckFailed(f"a user's header {name!r} was accepted")


@check("MSG-12", "content_type_preserved")
async def content_type(bench: Bench) -> None:
    """The content type survives; one that the codec does not read is undecodable."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    types: list[str] = []

    async def note(value: Any, delivery: Delivery) -> None:
        types.append(delivery.content_type)

    collector = bench.collect(app, topic, group="g", behaviour=note)
    await bench.started(app)
    await bench.publish(app, topic, 1)
    await bench.received(collector, 1)
    expect(types == ["application/json"], f"content type became {types}")
    async with bench.broker() as broker:
        odd = bench.message(topic, b"{}", content_type="application/x-python-serialize")
        await broker.send([odd], timeout_s=5)
    entry = (await until_dead(bench, app, topic))[0]
    expect(entry.message.content_type == odd.content_type, "the dead letter's type changed")
    expect(len(collector.seen) == 1, "a message of an unreadable type reached the handler")


async def _round_trip(bench: Bench, bodies: list[bytes]) -> None:
    app = await bench.app(codec=RawCodec())
    topic = app.topic(bench.topic())
    got: list[bytes] = []

    @app.subscriber(topic, group="g")
    async def note(body: bytes) -> None:
        got.append(body)

    await bench.started(app)
    for body in bodies:
        await app.publish(topic, body, timeout_s=bench.limit(10))
        bench.sent += 1
    await bench.wait(lambda: len(got) >= len(bodies), f"{len(bodies)} bodies", 10)
    await bench.quiet()
    sizes = [(len(a), len(b)) for a, b in zip(bodies, got, strict=False)]
    expect(got == bodies, f"bodies changed (sizes sent and seen: {sizes})")


async def _refused(publish: Any) -> None:
    try:
        await publish
    except MessageTooLarge as error:
        expect(error.code == "too_large", f"the code is {error.code!r}")
    else:
        raise CheckFailed("a message over the limit was accepted")
