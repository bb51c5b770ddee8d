"""Settlement: what is held, and how outcomes become AMQP frames."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from anymq.errors import AnyMQError, UnsupportedError
from anymq.message import Delivery, Message
from anymq.outcome import (
    SETTLED,
    STALE,
    Ack,
    Confirmed,
    DeadLetter,
    Retry,
    SendResult,
    Settlement,
    SettleResult,
    SettleUnknown,
)
from anymq_rabbitmq.addressing import Addressing
from anymq_rabbitmq.confirms import Parcel
from anymq_rabbitmq.data_channel import DataChannel, ack, nack
from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.groups import ALONE
from anymq_rabbitmq.publisher import Publisher

__all__ = ["Holdings", "Settler", "Token"]


@dataclass(slots=True, eq=False)
class Token:
    """A delivery's tag, which means something on its own channel only."""

    channel: DataChannel
    tag: int
    queue: str
    """Where it came from."""
    group: str
    """What a retry says of where it belongs: the group, or a name made for a private queue."""
    home: str
    """The queue that a retry goes to."""
    alone: str = ""
    """The queue of what is set aside; none for an anonymous subscription."""
    is_settling: bool = False


class Holdings:
    """What was handed out on the present channel and is not settled, oldest first."""

    def __init__(self) -> None:
        self._deliveries: dict[int, Delivery] = {}

    def __len__(self) -> int:
        return len(self._deliveries)

    def count(self, topic: str) -> int:
        """How many are of one topic."""
        return sum(delivery.topic == topic for delivery in self._deliveries.values())

    def add(self, delivery: Delivery) -> None:
        """Hold a delivery whose tag is higher than those before."""
        self._deliveries[delivery.token.tag] = delivery

    def claim(self, delivery: Delivery) -> Token | None:
        """The token for settling it, once; None if it is settled already or no longer ours."""
        token = delivery.token
        if not isinstance(token, Token):
            return None
        held = self._deliveries.get(token.tag)  # core may pass another object for a later attempt
        is_ours = held is not None and held.token is token
        if not is_ours:
            return None
        if token.is_settling or token.channel.is_closed:
            return None
        token.is_settling = True
        return token

    def drop(self, tokens: Iterable[Token]) -> None:
        """Forget what is settled, unless the channel was lost meanwhile."""
        for token in tokens:
            held = self._deliveries.get(token.tag)
            if held is not None and held.token is token:
                del self._deliveries[token.tag]

    def frames(self, acks: set[int], releases: set[int]) -> list[bytes]:
        """Methods for some tags: one ack for the oldest without a gap, one each for the rest.

        What waits undelivered has higher tags than all that is held, and what is being settled
        elsewhere is still held: the one frame cannot settle a stranger.
        """
        prefix = 0
        for tag in self._deliveries:
            if tag in acks:
                prefix = tag
            elif tag not in releases:
                break
        frames = [nack(tag) for tag in sorted(releases)]
        if prefix:
            frames.append(ack(prefix, multiple=True))
        frames.extend(ack(tag) for tag in sorted(acks) if tag > prefix)
        return frames

    def clear(self) -> list[Delivery]:
        """Forget everything; what no handler had finished with."""
        open_ones = [d for d in self._deliveries.values() if not d.token.is_settling]
        self._deliveries.clear()
        return open_ones


@dataclass(slots=True, eq=False)
class _Claim:
    """One item of a call that is ours to settle."""

    index: int
    item: Settlement
    token: Token


class Settler:
    """Carries out Ack, Release and Retry; shared by all subscriptions of a Broker."""

    def __init__(self, publisher: Publisher, addressing: Addressing) -> None:
        self._publisher = publisher
        self._addressing = addressing

    async def settle(
        self,
        held: Holdings,
        items: Sequence[Settlement],
        *,
        timeout_s: float,
    ) -> Sequence[SettleResult]:
        """As ``Subscription.settle``.

        A Retry is a confirmed send to the group's own queue, by the ladder if it is delayed, and
        then an ack. When the send is not confirmed the original is released: it comes again, and
        is never lost.
        """
        if any(isinstance(item.outcome, DeadLetter) for item in items):
            raise UnsupportedError("dead letters are sent and acked by core on RabbitMQ")
        deadline = asyncio.get_running_loop().time() + timeout_s
        results: list[SettleResult] = [STALE] * len(items)
        claims: list[_Claim] = []
        for index, item in enumerate(items):
            token = held.claim(item.delivery)
            if token is not None:
                claims.append(_Claim(index, item, token))
        retries = [claim for claim in claims if isinstance(claim.item.outcome, Retry)]
        others = [claim for claim in claims if not isinstance(claim.item.outcome, Retry)]
        acks = [claim for claim in others if isinstance(claim.item.outcome, Ack)]
        releases = [claim for claim in others if not isinstance(claim.item.outcome, Ack)]
        await _write(held, acks, releases, results, deadline)
        if retries:
            sent = await self._send_again(retries, deadline)
            acks = [claim for claim, result in zip(retries, sent, strict=True) if _is_safe(result)]
            unsent = [c for c, result in zip(retries, sent, strict=True) if not _is_safe(result)]
            await _write(held, acks, unsent, results, deadline)
            for claim, result in zip(retries, sent, strict=True):
                if not _is_safe(result):
                    results[claim.index] = SettleUnknown(f"the retry was not stored: {result}")
        return results

    async def _send_again(self, claims: Sequence[_Claim], deadline: float) -> Sequence[SendResult]:
        async def prepare() -> Sequence[Parcel | SendResult]:
            return [
                await self._addressing.retry_parcel(copy, queue, _delay_of(claim.item))
                for claim in claims
                for copy, queue in (_copy(claim),)
            ]

        left_s = deadline - asyncio.get_running_loop().time()
        return await self._publisher.publish(prepare, count=len(claims), timeout_s=left_s)


def _is_safe(result: SendResult) -> bool:
    return isinstance(result, Confirmed)


def _delay_of(item: Settlement) -> float:
    delay_s = item.outcome.delay_s if isinstance(item.outcome, Retry) else None
    return delay_s or 0.0


def _copy(claim: _Claim) -> tuple[Message, str]:
    """What is to come again, and the queue it goes to, which is its own group's."""
    message = claim.item.message or claim.item.delivery.message
    token = claim.token
    queue = token.alone if token.alone and ALONE in message.meta else token.home
    copy = replace(message, group=token.group, lane="retry", due_at=None)
    return copy, queue


async def _write(
    held: Holdings,
    acks: Sequence[_Claim],
    releases: Sequence[_Claim],
    results: list[SettleResult],
    deadline: float,
) -> None:
    """Write the frames for some claims, and answer them."""
    claims = [*acks, *releases]
    if not claims:
        return
    frames = held.frames({c.token.tag for c in acks}, {c.token.tag for c in releases})
    answer: SettleResult = SETTLED
    try:
        with translated("settling"):
            async with asyncio.timeout_at(deadline):
                claims[0].token.channel.settle(frames)
                await claims[0].token.channel.drain()
        held.drop(claim.token for claim in claims)
    except AnyMQError as error:
        answer = STALE if claims[0].token.channel.is_closed else SettleUnknown(str(error))
        for claim in claims:  # nothing was written: they may be settled again
            claim.token.is_settling = False
    for claim in claims:
        results[claim.index] = answer
