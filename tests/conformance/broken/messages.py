"""Lies about messages: bodies, headers and facts that do not survive the journey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.memory.capabilities import capabilities_of
from anymq.memory.options import MemoryOptions
from anymq.message import Message
from anymq.outcome import CONFIRMED
from tests.conformance.broken.lie import LyingBroker, LyingMember, lie

__all__ = [
    "BytesBecomeText",
    "DropsEmptyBodies",
    "EmptyBecomesJson",
    "EmptyBecomesNone",
    "FoldsHeaderCase",
    "ForgetsContentType",
    "ForgetsCorrelation",
    "ForgetsEmptyHeaders",
    "ForgetsHeaders",
    "ForgetsMeta",
    "ForgetsReplyTo",
    "ForgetsTheKey",
    "HeadersAreLatin1",
    "LeaksMeta",
    "MutatesTheMessage",
    "PositionForId",
    "RewritesTheTimestamp",
    "SharesHeaders",
    "StripsHeaderValues",
    "SwallowsWhatItCannotRead",
    "TruncatesAt64KiB",
]


class _Changed(LyingBroker):
    """Stores something else than it was given."""

    def change(self, message: Message) -> Message:
        return message

    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        return await super().send([self.change(message) for message in messages], **options)


@lie("forgets-headers", "drops the user's headers", "MSG-01", "MSG-02", unharmed=["DEL-01"])
class ForgetsHeaders(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, headers={})


@lie("folds-header-case", "gives headers lower-case names", "MSG-02")
class FoldsHeaderCase(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, headers={k.lower(): v for k, v in message.headers.items()})


@lie("strips-header-values", "strips white space off header values", "MSG-01")
class StripsHeaderValues(_Changed):
    def change(self, message: Message) -> Message:
        headers = {k: " ".join(v.split()) for k, v in message.headers.items()}
        return replace(message, headers=headers)


@lie("forgets-empty-headers", "drops headers with an empty value", "MSG-01", "RTY-09")
class ForgetsEmptyHeaders(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, headers={k: v for k, v in message.headers.items() if v})


@lie("headers-are-latin1", "keeps of a header what Latin-1 can hold", "MSG-01")
class HeadersAreLatin1(_Changed):
    def change(self, message: Message) -> Message:
        def narrow(text: str) -> str:
            return text.encode("latin-1", "replace").decode("latin-1")

        return replace(message, headers={narrow(k): narrow(v) for k, v in message.headers.items()})


@lie(
    "shares-headers",
    "gives everybody the same dictionary, and adds to it",
    "MSG-10",
    "RTY-16",
    unharmed=["DEL-01", "RTY-06"],
)
class SharesHeaders(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got = await self.inner.receive(max_messages=max_messages, wait_s=wait_s)
        for delivery in got:
            count = str(delivery.delivery_count)
            headers = {**delivery.message.headers, "x-delivery-count": count}
            delivery.message = replace(delivery.message, headers=headers)
        return got


@lie(
    "leaks-meta",
    "shows the framework's headers to the user",
    "MSG-10",
    "MSG-01",
    unharmed=["DEL-01", "RTY-06"],
)
class LeaksMeta(_Changed):
    def change(self, message: Message) -> Message:
        own = {"anymq-id": message.id, "anymq-attempt": str(message.attempt)}
        return replace(message, headers={**message.headers, **message.meta, **own})


@lie("forgets-meta", "drops core's further headers", "RTY-10", "OBS-04")
class ForgetsMeta(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, meta={})

    async def subscribe(self, source: Any, **options: Any) -> Any:
        inner = await super().subscribe(source, **options)
        settle = inner.settle

        async def forgetful(items: Any, *, timeout_s: float) -> Any:
            bare = [replace(i, message=i.message and replace(i.message, meta={})) for i in items]
            return await settle(bare, timeout_s=timeout_s)

        inner.settle = forgetful
        return inner


@lie("forgets-the-key", "drops the key", "MSG-01", "BAT-01", "RTY-09")
class ForgetsTheKey(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, key=None)


@lie("forgets-content-type", "takes everything for JSON", "MSG-12")
class ForgetsContentType(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, content_type="application/json")


@lie("forgets-correlation", "drops correlation and causation", "MSG-01")
class ForgetsCorrelation(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, correlation_id=None, causation_id=None)


@lie("forgets-reply-to", "drops where the reply goes", "MSG-01")
class ForgetsReplyTo(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, reply_to=None)


@lie("rewrites-the-timestamp", "gives a message the time of its arrival, in milliseconds", "MSG-01")
class RewritesTheTimestamp(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, timestamp=message.timestamp * 1000)


@lie("position-for-id", "gives a message an id of its own", "DEL-03", "MSG-01")
class PositionForId(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, id=f"{self.space.name}-{next(self.space.tokens)}")


@lie("empty-becomes-json", "stores {} for an empty body", "MSG-05", "RTY-14")
class EmptyBecomesJson(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, body=message.body or b"{}")


@lie("empty-becomes-none", "hands out None for an empty body", "MSG-05", "RTY-14")
class EmptyBecomesNone(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, body=message.body or None)  # type: ignore[arg-type]


@lie("drops-empty-bodies", "confirms an empty message and drops it", "MSG-05")
class DropsEmptyBodies(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = iter(await super().send([m for m in messages if m.body], **options))
        return [next(results) if message.body else CONFIRMED for message in messages]


@lie("bytes-become-text", "keeps bodies as text", "MSG-04", "RTY-14")
class BytesBecomeText(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, body=message.body.decode(errors="replace").encode())


@lie("truncates-at-64-kib", "cuts a body at 64 KiB, and says it takes 1 MiB", "MSG-07", "MSG-08")
class TruncatesAt64KiB(_Changed):
    def change(self, message: Message) -> Message:
        return replace(message, body=message.body[:65_536])


@lie("swallows-what-it-cannot-read", "acknowledges what is no UTF-8", "RTY-14", "MSG-04")
class SwallowsWhatItCannotRead(LyingBroker):
    claimed = capabilities_of(MemoryOptions())

    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send([m for m in messages if _is_text(m.body)], **options)
        return [*results, *[CONFIRMED] * (len(messages) - len(results))]


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


@lie("mutates-the-message", "writes into the messages it is given", "DEL-03")
class MutatesTheMessage(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send([replace(message) for message in messages], **options)
        for message in messages:
            message.id, message.topic = "sent", "nowhere"
        return results
