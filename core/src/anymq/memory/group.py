"""One group of one topic: what waits for it, what is delayed, in flight, or dead."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from itertools import count

from anymq.message import Delivery, Message

__all__ = ["Group", "Waiting"]

LOWER_TURN = 8
"""One message in eight is taken from a lower priority while higher ones wait."""


class Waiting:
    """A message that waits for a group; made only when there is more to know than the message."""

    __slots__ = ("deliveries", "message", "redelivered")

    def __init__(self, message: Message, deliveries: int, *, redelivered: bool) -> None:
        self.message = message
        self.deliveries = deliveries
        self.redelivered = redelivered


Item = Message | Waiting


class Group:
    """All state of one (topic, group). Not locked: the space's lock is held by every caller."""

    def __init__(self, topic: str, name: str | None, *, by_key: bool) -> None:
        self.topic = topic
        self.name = name
        self.by_key = by_key
        self.ready: tuple[deque[Item], deque[Item], deque[Item]] = (deque(), deque(), deque())
        self.delayed: list[tuple[float, int, Item]] = []
        self.dead: dict[str, Message] = {}
        self.admin: tuple[object, float] | None = None
        """Which operator holds the dead letters, and until when (monotonic)."""
        self.in_flight = 0
        self.members = 0
        self.idle_since: float | None = None
        self.busy_keys: set[str] = set()
        self.parked: dict[str, deque[Item]] = {}
        self.parked_count = 0
        self._sequence = count()
        self._turn = 0

    @property
    def waiting(self) -> int:
        """How many messages could be handed out, now or once their key is free."""
        return sum(map(len, self.ready)) + self.parked_count

    def push(self, message: Message) -> None:
        """Add a new message at its place: by due moment, else at the end of its priority."""
        if message.due_at is not None:
            self.push_delayed(message, message.due_at)
        else:
            self.ready[message.priority].append(message)

    def push_delayed(self, item: Item, due_at: float) -> None:
        """Hold an item until ``due_at``."""
        heapq.heappush(self.delayed, (due_at, next(self._sequence), item))

    def give_back(self, delivery: Delivery, *, uncounted: bool) -> None:
        """Put a delivery back at the front. ``uncounted``: as if it had never been delivered."""
        self.free(delivery)
        deliveries = (delivery.delivery_count or 1) - (1 if uncounted else 0)
        item = Waiting(delivery.message, deliveries, redelivered=True)
        self.ready[delivery.message.priority].appendleft(item)

    def free(self, delivery: Delivery) -> None:
        """A delivery is no longer in flight: its key may be handed out again."""
        self.in_flight -= 1
        key = delivery.message.key
        if not self.by_key or key is None:
            return
        self.busy_keys.discard(key)
        parked = self.parked.pop(key, None)
        if parked:
            self.parked_count -= len(parked)
            queue = self.ready[delivery.message.priority]
            queue.extendleft(reversed(parked))

    def next_due(self) -> float | None:
        """The moment of the first delayed item."""
        return self.delayed[0][0] if self.delayed else None

    def ripen(self, now: float) -> None:
        """Move what is due to where it can be taken."""
        delayed = self.delayed
        while delayed and delayed[0][0] <= now:
            item = heapq.heappop(delayed)[2]
            message = item.message if isinstance(item, Waiting) else item
            self.ready[message.priority].append(item)

    def take(self, limit: int, now: float, into: list[Item]) -> None:
        """Append up to ``limit`` items that may be handled now; drops what has expired."""
        if self.delayed:
            self.ripen(now)
        low, normal, high = self.ready
        if not (low or high) and not self.by_key:
            self._take_from(normal, limit, now, into)
            return
        while len(into) < limit:
            queue = self._next_queue()
            if queue is None:
                return
            self._take_from(queue, len(into) + 1, now, into)

    def purge(self) -> int:
        """Drop all that waits or is delayed; how many that was."""
        dropped = self.waiting + len(self.delayed)
        for queue in self.ready:
            queue.clear()
        self.delayed.clear()
        self.parked.clear()
        self.parked_count = 0
        return dropped

    def _next_queue(self) -> deque[Item] | None:
        filled: Sequence[deque[Item]] = [queue for queue in reversed(self.ready) if queue]
        if not filled:
            return None
        self._turn = (self._turn + 1) % LOWER_TURN
        return filled[0] if self._turn else filled[-1]

    def _take_from(self, queue: deque[Item], limit: int, now: float, into: list[Item]) -> None:
        while queue and len(into) < limit:
            item = queue.popleft()
            message = item.message if item.__class__ is Waiting else item
            if message.expires_at is not None and message.expires_at <= now:  # type: ignore[union-attr]
                continue
            key = message.key  # type: ignore[union-attr]
            if self.by_key and key is not None:
                if key in self.busy_keys:
                    self.parked.setdefault(key, deque()).append(item)
                    self.parked_count += 1
                    continue
                self.busy_keys.add(key)
            self.in_flight += 1
            into.append(item)
