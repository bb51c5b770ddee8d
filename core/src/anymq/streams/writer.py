"""Appending: values become records, and many concurrent appends become few calls of the backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from anymq.abc import Stream
from anymq.errors import PublishRejected
from anymq.message import Message
from anymq.outcome import Rejected, SendResult
from anymq.portable.outgoing import MessageBuilder
from anymq.portable.publisher import Publisher

__all__ = ["Appends", "StreamWriter"]


class Appends:
    """A Stream as a Publisher's way out."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]:
        """As ``Broker.send``; a stream's batch is never atomic, and nobody asks for it."""
        return await self._stream.append(messages, timeout_s=timeout_s)


class StreamWriter:
    """Encodes records and appends them. One per open Stream; safe to use from many tasks."""

    def __init__(self, builder: MessageBuilder, publisher: Publisher) -> None:
        self._builder = builder
        self._publisher = publisher

    async def append(
        self, stream: str, body: Any, timeout_s: float, options: Mapping[str, Any]
    ) -> str:
        """Append one record; its id. Raises PublishRejected, PublishUnknown, ClosedError."""
        message = self._builder.build(stream, body, **options)
        await self._publisher.publish(message, timeout_s)
        return message.id

    async def append_many(
        self,
        stream: str,
        bodies: Iterable[Any],
        keys: Iterable[str | None] | None,
        timeout_s: float,
        options: Mapping[str, Any],
    ) -> list[SendResult]:
        """One result per body, in order; what cannot be built is Rejected and hides nothing else.

        Raises PublishRejected("invalid") where the number of keys is another; ClosedError.
        """
        listed = list(bodies)
        each = [None] * len(listed) if keys is None else list(keys)
        if len(each) != len(listed):
            text = f"{len(each)} keys for {len(listed)} bodies: give one each (None for none)"
            raise PublishRejected("invalid", text)
        messages: list[Message] = []
        refused: list[tuple[int, Rejected]] = []
        for index, (body, key) in enumerate(zip(listed, each, strict=True)):
            try:
                messages.append(self._builder.build(stream, body, key=key, **options))
            except PublishRejected as error:
                refused.append((index, Rejected(error.code, str(error))))
        results = await self._publisher.publish_many(messages, timeout_s)
        for index, result in refused:
            results.insert(index, result)
        return results
