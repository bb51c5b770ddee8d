"""What a subscription holds, and until when: leases are watched on the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from anymq.abc.broker import OnLost
from anymq.message import Delivery
from anymq.support.clock import Clock, TimerHandle
from anymq_sqlite.membership import Membership
from anymq_sqlite.rows import Row, message_of

__all__ = ["Held", "Holdings"]


Token = tuple[int, int]


@dataclass(slots=True, eq=False)
class Held:
    """One delivery that is ours."""

    delivery: Delivery
    seq: int
    gid: int
    until: float


class Holdings:
    """By token: member and number never come again, so an old delivery settles nothing new."""

    def __init__(
        self,
        lease_s: float,
        clock: Clock,
        on_lost: OnLost,
        give_back: Callable[[Sequence[int]], None],
    ) -> None:
        self._lease_s = lease_s
        self._clock = clock
        self._on_lost = on_lost
        self._give_back = give_back
        self._held: dict[Token, Held] = {}
        self._numbers = count(1)
        self._sweep: TimerHandle | None = None
        self._sweep_at = 0.0

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, rows: Iterable[Row], membership: Membership) -> list[Delivery]:
        """The deliveries of claimed rows."""
        until = self._clock.monotonic() + self._lease_s
        strip = len(membership.names.prefix)
        group, member = membership.group, membership.joined.member
        held, numbers = self._held, self._numbers
        deliveries = []
        for row in rows:
            seq, gid, topic, times, redelivered = row[:5]
            position = str(seq)
            token = member, next(numbers)
            delivery = Delivery(
                message_of(topic[strip:] if strip else topic, position, row),
                group,
                token,
                position,
                times,
                times > 1 or redelivered == 1,
            )
            held[token] = Held(delivery, seq, gid, until)
            deliveries.append(delivery)
        self._arm(self._lease_s)
        return deliveries

    def take(self, delivery: Delivery) -> Held | None:
        """Hold a delivery no longer; None if it was not held."""
        return self._held.pop(delivery.token, None)

    def put_back(self, taken: Iterable[Held]) -> None:
        """Hold again what could not be settled, until its lease ends."""
        for held in taken:
            self._held[held.delivery.token] = held
        self._arm(self._lease_s)

    def keep(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Extend leases; those deliveries that are not held."""
        until = self._clock.monotonic() + self._lease_s
        lost = []
        for delivery in deliveries:
            held = self._held.get(delivery.token)
            if held is None:
                lost.append(delivery)
            else:
                held.until = until
        return lost

    def lose_all(self) -> None:
        """Others have it all."""
        lost = [held.delivery for held in self._held.values()]
        self._held.clear()
        if lost:
            self._on_lost(lost)

    def close(self) -> None:
        """Watch nothing any more."""
        self._held.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _arm(self, delay_s: float) -> None:
        if self._held and self._sweep is None:
            self._sweep_at = self._clock.monotonic() + delay_s
            self._sweep = self._clock.call_later(delay_s, self._expire)

    def _expire(self) -> None:
        """Give back what nobody kept; look again when the next lease ends."""
        self._sweep = None
        now = self._clock.monotonic()
        late_s = now - self._sweep_at
        if late_s > self._lease_s / 3:
            # The loop was held up, and with it whoever keeps leases: let them come first.
            self._arm(self._lease_s / 3)
            return
        ended = [token for token, held in self._held.items() if held.until <= now]
        lost = [self._held.pop(token) for token in ended]
        if lost:
            self._give_back([held.seq for held in lost])
            self._on_lost([held.delivery for held in lost])
        if self._held:
            self._arm(max(0.0, min(held.until for held in self._held.values()) - now))
