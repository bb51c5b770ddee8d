"""Sending, where what was declared may be gone: it is declared again, and sent again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from anymq.errors import AnyMQError
from anymq.message import Message
from anymq.outcome import Rejected, SendResult
from anymq_redis.condition import Condition
from anymq_redis.link import Link
from anymq_redis.sending import Sender

__all__ = ["Declared", "RenewingSender"]


class Declared(Protocol):
    """What this process declared."""

    def has_made(self, topic: str, group: str | None) -> bool: ...

    async def renew(self, *, timeout_s: float) -> None: ...


class RenewingSender:
    """Declares again where something is missing, and after each new connection: the server may
    have lost groups of a topic that somebody else has made again.
    """

    def __init__(
        self, sender: Sender, link: Link, declared: Declared, condition: Condition
    ) -> None:
        self._sender = sender
        self._link = link
        self._declared = declared
        self._condition = condition

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]:
        """One result each, in order."""
        deadline, connections = time.monotonic() + timeout_s, self._link.connections
        results = await self._sender.send(messages, timeout_s=timeout_s, atomic=atomic)
        lost = [i for i, result in enumerate(results) if self._is_lost(messages[i], result)]
        if not lost and connections in (0, self._link.connections):
            return results
        left_s = max(0.001, deadline - time.monotonic())
        if not await self._renew(left_s, is_lost=bool(lost)) or not lost:
            return results
        again = lost if not atomic else range(len(messages))
        sent = await self._sender.send(
            [messages[i] for i in again], timeout_s=left_s, atomic=atomic
        )
        fresh = dict(zip(again, sent, strict=True))
        return [fresh.get(i, result) for i, result in enumerate(results)]

    def _is_lost(self, message: Message, result: SendResult) -> bool:
        """Whether there is nowhere to put it although this process declared where."""
        if not isinstance(result, Rejected) or result.code != "not_found":
            return False
        return self._declared.has_made(message.topic, message.group)

    async def _renew(self, timeout_s: float, *, is_lost: bool) -> bool:
        if is_lost:
            self._condition.degraded("what was declared was gone and is made again")
        try:
            await self._declared.renew(timeout_s=timeout_s)
        except AnyMQError:
            return False
        return True
