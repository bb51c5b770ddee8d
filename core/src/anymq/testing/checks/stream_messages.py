"""Records: bodies, headers and everything else in the envelope survive the journey."""

from __future__ import annotations

from typing import Any

from anymq.abc import Record
from anymq.message import Message
from anymq.outcome import Confirmed, Rejected
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.stream_probe import Log, opened, same, within

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
    "x" * 100: "y" * 4000,
}
FIELDS_OF_DRIVERS = (
    *("id", "key", "body", "data", "value", "payload", "topic", "partition", "offset", "position"),
    *("timestamp", "time", "headers", "header", "meta", "content_type", "content-type", "type"),
    *("correlation_id", "message_id", "group", "lane", "attempt", "b", "h", "k", "v"),
)
"""Names under which a driver may keep its own facts."""


@check("MSG-01", "metadata_round_trip_weird_strings", family="stream")
async def weird_metadata(bench: Bench) -> None:
    """Slashes, quotes, spaces, Unicode and control characters, in every text of the envelope."""
    await _round_trip(
        bench,
        {
            "headers": WEIRD,
            "key": "kéy/1 ✓",
            "correlation_id": "c/ö 1",
            "causation_id": 'c "2"',
            "reply_to": "réply to",
            "id": "id/ü 1",
        },
        {"key": "", "correlation_id": "\n"},
    )


@check("MSG-02", "header_key_case_and_duplicates", family="stream")
async def header_case(bench: Bench) -> None:
    """Names keep their case, and two that differ in case only are two."""
    await _round_trip(bench, {"headers": {"X-Case": "upper", "x-case": "lower", "MiXeD": "1"}})


@check("MSG-04", "binary_payload_identical", family="stream")
async def binary(bench: Bench) -> None:
    """All 256 byte values, embedded NUL, invalid UTF-8: byte for byte."""
    every = bytes(range(256))
    bodies = (every, every[::-1] * 3, b"\x00", b"a\x00b", b"\xff\xfe\xfd", b"\r\n", b"*3\r\n$1\r\n")
    await _round_trip(bench, *[{"body": body} for body in bodies])


@check("MSG-05", "empty_payload", family="stream")
async def empty(bench: Bench) -> None:
    """``b""`` arrives as ``b""``, with its headers, and takes a position as any other."""
    got = await _round_trip(bench, {"body": b""}, {"body": b"x"}, {"body": b"", "key": "k"})
    expect(all(isinstance(r.message.body, bytes) for r in got), "a body is not bytes any more")
    expect(len({record.position for record in got}) == 3, "an empty record took no position")


@check("MSG-06", "big_payload_64KiB", family="stream")
async def big(bench: Bench) -> None:
    """64 KiB pass on every backend."""
    size = 64 * 1024
    await _round_trip(bench, {"body": b"\xa5" * size}, {"body": bytes(range(256)) * 256})


@check("MSG-07", "big_payload_1MiB", family="stream")
async def bigger(bench: Bench) -> None:
    """1 MiB passes if it is within ``max_message_bytes``; else just that many bytes do."""
    size = min(1024 * 1024, bench.capabilities.max_message_bytes)
    await _round_trip(bench, {"body": b"\xa5" * size})


@check("MSG-08", "over_limit_is_permanent_error", family="stream")
async def over_limit(bench: Bench) -> None:
    """Just the limit passes, several times in a batch. More is certainly stored, or certainly
    refused as too_large; never unknown, and never a neighbour's loss."""
    limit = bench.capabilities.max_message_bytes
    async with opened(bench) as log:
        sent = [bench.message(log.name, b"x" * limit) for _ in range(3)]
        await log.append(sent)
        batch = [bench.message(log.name, b"a" * n) for n in (1, limit + 65_536, 2)]
        appending = log.stream.append(batch, timeout_s=bench.limit(10))
        results = list(await within(bench, appending, "append of what is too large", 12))
        kinds = [type(result) for result in results]
        expect(len(results) == 3, f"{len(results)} results for 3 records")
        expect(kinds[::2] == [Confirmed, Confirmed], f"neighbours of a too large record: {kinds}")
        if isinstance(results[1], Rejected):
            expect(results[1].code == "too_large", f"rejected with {results[1].code!r}")
            del batch[1]
        else:
            expect(isinstance(results[1], Confirmed), f"too large: {results[1]}")
        same([*sent, *batch], await log.read(prefetch=2))


@check("MSG-09", "many_headers", family="stream")
async def many_headers(bench: Bench) -> None:
    """100 headers of 1 KiB arrive, or are refused with a typed limit."""
    async with opened(bench) as log:
        headers = {f"header-{n}": f"{n}:" + "v" * 1020 for n in range(100)}
        message = bench.message(log.name, headers=headers)
        (result,) = await log.stream.append([message], timeout_s=bench.limit(5))
        if isinstance(result, Rejected):
            expect(result.code in ("too_large", "invalid"), f"rejected with {result.code!r}")
            same([], await log.read())
            return
        expect(isinstance(result, Confirmed), f"100 headers: {result}")
        same([message], await log.read())


@check("MSG-10", "internal_headers_do_not_leak", family="stream")
async def no_leak(bench: Bench) -> None:
    """The user's headers and core's come back apart, nothing is added to either, and a record
    that is appended again carries what it carried."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    meta = {"traceparent": trace, "anymq-note": "ü"}
    got = await _round_trip(bench, {}, {"headers": {"mine": "1"}, "meta": meta, "key": "k"})
    bare, full = got[0].message, got[1].message
    expect(not bare.headers and not bare.meta, f"headers of a record without any: {bare.headers}")
    async with opened(bench, "again") as log:
        again = bench.message(log.name, full.body, headers=full.headers, meta=full.meta)
        await log.append([again])
        (once_more,) = await log.read()
        expect(dict(once_more.message.headers) == {"mine": "1"}, "headers grew on the second way")
        expect(dict(once_more.message.meta) == meta, "core's headers grew on the second way")


@check("MSG-11", "user_header_cannot_spoof_internal", family="stream")
async def no_spoofing(bench: Bench) -> None:
    """Headers named as a driver may name its own fields stay the user's and change nothing."""
    spoof = {name: f"spoofed {name}" for name in FIELDS_OF_DRIVERS}
    upper = {name.upper(): "9" for name in FIELDS_OF_DRIVERS}
    await _round_trip(bench, {"headers": spoof, "key": "real"}, {"headers": upper})


@check("MSG-12", "content_type_preserved", family="stream")
async def content_type(bench: Bench) -> None:
    """The content type survives, parameters and all."""
    types = ("application/json", "text/plain; charset=utf-8", "application/octet-stream", "x/ü")
    await _round_trip(bench, *[{"content_type": text} for text in types])


async def _round_trip(bench: Bench, *fields: dict[str, Any]) -> list[Record]:
    """Append a record of each of these, alone and then in a batch, and compare what is read."""
    async with opened(bench) as log:
        sent = [_message(bench, log, given) for given in fields]
        for message in sent:
            await log.append([message])
        batch = [_message(bench, log, {**given, "id": None}) for given in fields]
        await log.append(batch)
        async with bench.stream() as stream:
            got = await Log(bench, stream, log.name).read()
        same([*sent, *batch], got)
        return got[: len(sent)]


def _message(bench: Bench, log: Log, given: dict[str, Any]) -> Message:
    rest = {name: value for name, value in given.items() if name != "body"}
    return bench.message(log.name, given.get("body", b"{}"), **rest)
