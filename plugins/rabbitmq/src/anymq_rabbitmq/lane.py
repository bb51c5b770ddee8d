"""One partition of a group by key, as one member has it: in order, one message of a key at a time.

A partition has a channel of its own. The server gives its messages to one consumer at a time, and
takes them back in their order when the channel closes: leaving a partition is closing its channel
once nothing of it is being handled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from anymq.message import Delivery
from anymq.outcome import SETTLED, STALE, Release, Settlement, SettleResult
from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.data_channel import DataChannel
from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.intake import Intake
from anymq_rabbitmq.queues import Inlet
from anymq_rabbitmq.settling import Holdings, Settler

__all__ = ["Lane"]


class Lane:
    """What arrived from one partition: handed out, or waiting behind its own key."""

    def __init__(
        self,
        intake_of: Callable[..., Intake],
        inlet: Inlet,
        decode: Callable[[Inlet, Arrival], Delivery],
        *,
        prefetch: int,
        on_lost: Callable[[Sequence[Delivery]], None],
    ) -> None:
        self.inlet = inlet
        self.is_mine = True
        """Whether the members agree that it is ours."""
        self.is_leaving = False
        """Nothing more is handed out: it goes to another member, or we end."""
        self.out: dict[int, Delivery] = {}
        """What core has, by tag."""
        self._held = Holdings()
        self._waiting: deque[Delivery] = deque()
        self._keys: set[str] = set()
        self._decode = decode
        self._prefetch = prefetch
        self._on_lost = on_lost
        self.intake = intake_of(self._consume, self._lose)

    def take(self, limit: int) -> list[Delivery]:
        """At most so many that may be handled now: none whose key is with core already."""
        if self.is_leaving or limit <= 0:
            return []
        arrived = self.intake.arrived
        while arrived:
            delivery = self._decode(self.inlet, arrived.popleft())
            self._held.add(delivery)
            self._waiting.append(delivery)
        found: list[Delivery] = []
        passed: deque[Delivery] = deque()
        keys = set(self._keys)
        while self._waiting and len(found) < limit:
            delivery = self._waiting.popleft()
            key = delivery.message.key
            if key is not None and key in keys:
                passed.append(delivery)
                continue
            if key is not None:
                keys.add(key)
                self._keys.add(key)
            self.out[delivery.token.tag] = delivery
            found.append(delivery)
        passed.extend(self._waiting)
        self._waiting = passed
        return found

    async def settle(
        self, settler: Settler, items: Sequence[Settlement], *, timeout_s: float
    ) -> list[SettleResult]:
        """As ``Subscription.settle``; a release puts the message back where it was."""
        released = [i for i, item in enumerate(items) if isinstance(item.outcome, Release)]
        others = [i for i, item in enumerate(items) if not isinstance(item.outcome, Release)]
        results: list[SettleResult] = [STALE] * len(items)
        for index in released:
            results[index] = self._put_back(items[index].delivery)
        settled = await settler.settle(self._held, [items[i] for i in others], timeout_s=timeout_s)
        for index, result in zip(others, settled, strict=True):
            results[index] = result
            if result is SETTLED:
                self._is_done(items[index].delivery)
        return results

    def leave(self) -> None:
        """Go to the end of the queue of consumers, as soon as nothing of it is being handled."""
        if self.intake.channel is None:
            return  # it is being opened anew, which is the same
        self.is_leaving = True
        if not self.out:
            self.intake.begin_again()

    def stay(self) -> None:
        """Not to be left after all."""
        self.is_leaving = False

    @property
    def is_moving(self) -> bool:
        """Whether it is on its way to the end of the line."""
        return self.intake.channel is None or (self.is_leaving and not self.out)

    @property
    def unsettled(self) -> int:
        """How many messages are here, handed out or not."""
        return len(self.intake.arrived) + len(self._held)

    async def end(self) -> None:
        """Leave for good. Idempotent."""
        self.is_leaving = True
        with translated("leaving a partition"):
            await self.intake.aclose()

    def abandon(self) -> None:
        """Hold nothing any more and tell nobody."""
        self.intake.arrived.clear()
        self._forget()

    def _put_back(self, delivery: Delivery) -> SettleResult:
        token = self._held.claim(delivery)
        if token is None:
            return STALE
        self._is_done(delivery)
        again = replace(
            delivery,
            token=replace(token, is_settling=False),
            redelivered=True,
            value=None,
            scope=None,
            _headers=None,
            _items=None,
        )
        self._held.add(again)  # at its old place: the tag is the same
        behind = next(
            (i for i, other in enumerate(self._waiting) if other.token.tag > token.tag),
            len(self._waiting),
        )
        self._waiting.insert(behind, again)
        return SETTLED

    def _is_done(self, delivery: Delivery) -> None:
        self.out.pop(delivery.token.tag, None)
        if delivery.message.key is not None:
            self._keys.discard(delivery.message.key)

    async def _consume(self, channel: DataChannel) -> Sequence[str]:
        await channel.client.basic_qos(prefetch_count=self._prefetch)
        return [await channel.consume(self.inlet.queue)]

    def _lose(self) -> None:
        """The channel is gone: the server has all of it back."""
        lost = [d for d in self.out.values() if not d.token.is_settling]
        self._forget()
        self.is_leaving = False
        if lost:
            self._on_lost(lost)

    def _forget(self) -> None:
        self._held.clear()
        self._waiting.clear()
        self._keys.clear()
        self.out.clear()
