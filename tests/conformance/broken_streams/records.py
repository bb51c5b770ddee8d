"""Lies about what travels: bodies, headers, and the rest of the envelope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from anymq.abc import Record
from anymq.message import Message
from anymq.outcome import Rejected
from tests.conformance.broken_streams.lie import LyingReader, LyingStream, StreamLie, lie

__all__ = [
    "ContentTypeIsLost",
    "CorrelationIsLost",
    "EmptyBodyIsDropped",
    "HeadersAreAscii",
    "HeadersAreDropped",
    "HeadersAreLower",
    "HeadersSpoof",
    "IdsAreNew",
    "KeyIsLost",
    "LimitIsLower",
    "ManyHeadersAreCut",
    "MetaIsVisible",
    "MillisecondsAsSeconds",
    "SizeIsCutAt32KiB",
    "SizeIsCutAt512KiB",
    "TextOnly",
    "TooLargeRejectsTheBatch",
]

Change = Callable[[Message], Message]


def _changed(name: str, says: str, *caught_by: str, change: Change) -> StreamLie:
    """A stream that keeps something else than what it was given."""

    class Changed(LyingStream):
        async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
            return await super().append([change(r) for r in records], timeout_s=timeout_s)

    return lie(name, says, *caught_by)(Changed)


def _headers(message: Message, headers: dict[str, str]) -> Message:
    return replace(message, headers=headers)


def _spoofed(message: Message) -> Message:
    """As a driver does that keeps its own facts beside the user's headers."""
    return replace(message, key=message.headers.get("key", message.key))


HeadersAreDropped = _changed(
    "headers-are-dropped",
    "a record has no headers",
    "DEL-01",
    "MSG-10",
    change=lambda m: _headers(m, {}),
)
HeadersAreLower = _changed(
    "headers-are-lower",
    "names of headers lose their case",
    "MSG-02",
    change=lambda m: _headers(m, {name.lower(): text for name, text in m.headers.items()}),
)
HeadersAreAscii = _changed(
    "headers-are-ascii",
    "texts lose what is not ASCII",
    "MSG-01",
    change=lambda m: _headers(
        m, {n: t.encode("ascii", "replace").decode() for n, t in m.headers.items()}
    ),
)
ManyHeadersAreCut = _changed(
    "many-headers-are-cut",
    "of a hundred headers, fifty are kept",
    "MSG-09",
    change=lambda m: _headers(m, dict(list(m.headers.items())[:50])),
)
MetaIsVisible = _changed(
    "meta-is-visible",
    "core's headers are among the user's",
    "MSG-10",
    change=lambda m: _headers(m, {**m.headers, **m.meta}),
)
HeadersSpoof = _changed(
    "headers-spoof", "a header named key becomes the key", "MSG-11", change=_spoofed
)
KeyIsLost = _changed(
    "key-is-lost", "keys are not kept", "BAT-01", change=lambda m: replace(m, key=None)
)
CorrelationIsLost = _changed(
    "correlation-is-lost",
    "correlation ids are not kept",
    "MSG-01",
    change=lambda m: replace(m, correlation_id=None),
)
ContentTypeIsLost = _changed(
    "content-type-is-lost",
    "everything is JSON",
    "MSG-12",
    change=lambda m: replace(m, content_type="application/json"),
)
IdsAreNew = _changed(
    "ids-are-new",
    "a record gets an id of the backend's",
    "DEL-03",
    change=lambda m: replace(m, id=f"{id(m)}"),
)
TextOnly = _changed(
    "text-only",
    "bodies pass through UTF-8",
    "MSG-04",
    change=lambda m: replace(m, body=m.body.decode("utf-8", "replace").encode()),
)
SizeIsCutAt32KiB = _changed(
    "size-is-cut-at-32-kib",
    "bodies end at 32 KiB",
    "MSG-06",
    change=lambda m: replace(m, body=m.body[: 32 * 1024]),
)
SizeIsCutAt512KiB = _changed(
    "size-is-cut-at-512-kib",
    "bodies end at 512 KiB",
    "MSG-07",
    "MSG-08",
    change=lambda m: replace(m, body=m.body[: 512 * 1024]),
)


@lie("empty-body-is-dropped", "a record without a body is none", "MSG-05")
class EmptyBodyIsDropped(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        return [record for record in found if record.message.body]


@lie("limit-is-lower", "max_message_bytes is more than what is taken", "MSG-08")
class LimitIsLower(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        results = list(await super().append(records, timeout_s=timeout_s))
        for number, record in enumerate(records):
            if len(record.body) >= self._options.max_message_bytes:
                results[number] = Rejected("too_large")
        return results


@lie("too-large-rejects-the-batch", "a too large record takes its neighbours with it", "MSG-08")
class TooLargeRejectsTheBatch(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        if any(len(record.body) > self._options.max_message_bytes for record in records):
            return [Rejected("too_large")] * len(records)
        return await super().append(records, timeout_s=timeout_s)


@lie("milliseconds-as-seconds", "appended_at is in milliseconds", "DEL-01")
class MillisecondsAsSeconds(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        return [replace(record, appended_at=record.appended_at * 1000) for record in found]
