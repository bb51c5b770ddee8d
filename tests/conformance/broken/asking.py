"""Lies that requests and replies find out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from anymq.message import Message
from tests.conformance.broken.lie import LyingBroker, lie

__all__ = [
    "CausationIsLost",
    "CorrelationIsLost",
    "RepliesReachEverybody",
    "ReplyHeadersAreLost",
    "ReplyToIsLost",
]

REPLY = "anymq.reply."


@lie("replies-reach-everybody", "whoever asks anything gets every reply", "TSK-05")
class RepliesReachEverybody(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send(messages, **options)
        for message in messages:
            if message.topic.startswith(REPLY):
                others = [t for t in self.space.topics if t.startswith(REPLY)]
                copies = [replace(message, topic=t) for t in others if t != message.topic]
                await super().send(copies, **options)
        return results


class _Forgetful(LyingBroker):
    forgets: ClassVar[dict[str, Any]]

    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        return await super().send([replace(m, **self.forgets) for m in messages], **options)


@lie("reply-to-is-lost", "nobody wants an answer", "TSK-05")
class ReplyToIsLost(_Forgetful):
    forgets: ClassVar[dict[str, Any]] = {"reply_to": None}


@lie("causation-is-lost", "an answer answers anything", "TSK-05")
class CausationIsLost(_Forgetful):
    forgets: ClassVar[dict[str, Any]] = {"causation_id": None}


@lie("correlation-is-lost", "every message begins a conversation", "TSK-05")
class CorrelationIsLost(_Forgetful):
    forgets: ClassVar[dict[str, Any]] = {"correlation_id": None}


@lie("reply-headers-are-lost", "core's further headers stay here", "TSK-05")
class ReplyHeadersAreLost(_Forgetful):
    forgets: ClassVar[dict[str, Any]] = {"meta": {}}
