"""Settlements as script calls, and what their replies say of each one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anymq.message import Delivery
from anymq.outcome import (
    SETTLED,
    STALE,
    Ack,
    DeadLetter,
    Release,
    Retry,
    Settlement,
    SettleResult,
    SettleUnknown,
)
from anymq.support.clock import Clock
from anymq_redis.errors import is_missing_group
from anymq_redis.feeds import Feed, Token
from anymq_redis.link import Command
from anymq_redis.member import Member
from anymq_redis.scripts import script
from anymq_redis.sending import due_ms
from anymq_redis.wire import encode

__all__ = ["Plan", "by_feed"]


class Plan:
    """The commands for some settlements: one for all Acks of a stream, one for each other."""

    def __init__(self, items: Sequence[Settlement], member: Member, clock: Clock) -> None:
        self._count = len(items)
        self._member = member
        self._clock = clock
        self.commands: list[Command] = []
        self._places: list[list[tuple[int, str]]] = []
        self._stale: list[int] = []
        acks: dict[Feed, list[tuple[int, str]]] = {}
        for i, item in enumerate(items):
            token: Token = item.delivery.token
            if token.is_over:
                self._stale.append(i)
            elif isinstance(item.outcome, Ack):
                acks.setdefault(token.feed, []).append((i, token.entry_id))
            else:
                self._add(self._other(item), [(i, token.entry_id)])
        for feed, places in acks.items():
            ids = [entry_id for _, entry_id in places]
            head = (*script("ack", 1), feed.stream, *member.names, feed.deletes)
            self._add((*head, *ids), places)

    def results(self, replies: Sequence[Any]) -> list[SettleResult]:
        """One result for each settlement, in order."""
        results: list[SettleResult] = [SETTLED] * self._count
        for places, reply in zip(self._places, replies, strict=True):
            for i, entry_id in places:
                results[i] = _result(reply, entry_id)
        for i in self._stale:
            results[i] = STALE
        return results

    def _add(self, command: Command, places: list[tuple[int, str]]) -> None:
        self.commands.append(command)
        self._places.append(places)

    def _other(self, item: Settlement) -> Command:
        token: Token = item.delivery.token
        feed, outcome = token.feed, item.outcome
        if isinstance(outcome, Release):
            return (*self._member.give_back(feed), token.entry_id)
        due, target = "", feed.companions.retry(feed.partition)
        if isinstance(outcome, DeadLetter):
            target = feed.companions.dead
        elif isinstance(outcome, Retry) and outcome.delay_s:
            target = feed.companions.delayed
            due = due_ms(self._clock.time() + outcome.delay_s)
        fields = encode(item.message or item.delivery.message)
        head = (*script("replace", 2), feed.stream, target, *self._member.names)
        return (*head, token.entry_id, feed.deletes, feed.partition, due, *fields)


def by_feed(deliveries: Sequence[Delivery]) -> dict[Feed, list[Delivery]]:
    """Deliveries by the stream they came from."""
    found: dict[Feed, list[Delivery]] = {}
    for delivery in deliveries:
        found.setdefault(delivery.token.feed, []).append(delivery)
    return found


def _result(reply: Any, entry_id: str) -> SettleResult:
    """``reply``: ids that were stale, or 1 for done and 0 for stale, or an error."""
    if isinstance(reply, Exception):
        return STALE if is_missing_group(reply) else SettleUnknown(str(reply))
    if isinstance(reply, int):
        return SETTLED if reply else STALE
    return STALE if reply and entry_id.encode() in reply else SETTLED
