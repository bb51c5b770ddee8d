"""What a member does for its group besides reading: move what is due, take over, tidy up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anymq.support.clock import Clock
from anymq_redis.feeds import Feed
from anymq_redis.link import Command
from anymq_redis.member import Member
from anymq_redis.scripts import script

__all__ = ["Upkeep"]

LOOK_S = 0.05
"""How often to look for what is due: a message may have come that is due before all others."""

DUE_LIMIT = 500
"""Most messages moved at once, so that the server is not held up."""

TIDY_S = 5.0
"""How often settled entries are removed, at least."""

GONE_S = 3600.0
"""After so long without a sign, a consumer that holds nothing is forgotten."""


class Upkeep:
    """Knows when each duty is due, by the loop's time, and which commands it takes."""

    def __init__(self, member: Member, clock: Clock) -> None:
        self._member = member
        self._clock = clock
        self._moves_at = self._takes_over_at = self._tidies_at = 0.0
        self._soonest: float | None = None
        self._turn = 0
        self._tidies_every_s = min(TIDY_S, member.options.lease_s / 3)
        self._takes_over_every_s = max(LOOK_S, min(1.0, member.options.lease_s / 4))

    def rest_s(self, now: float) -> float:
        """How long until ``move`` has something to do."""
        rest_s = self._moves_at - now
        if self._soonest is not None:
            rest_s = min(rest_s, self._soonest - self._clock.time() + 0.001)
        return max(0.0, rest_s)

    def move(self, now: float) -> list[Command]:
        """Commands that move what is due, where it is time for that."""
        if now < self._moves_at and not self._is_ripe():
            return []
        self._moves_at = now + LOOK_S
        moment = int(self._clock.time() * 1000)
        return [
            (
                *script("due", 5),
                feed.keys.name,
                feed.keys.meta,
                feed.keys.delayed,
                feed.companions.delayed,
                feed.companions.retry(),
                moment,
                DUE_LIMIT,
            )
            for feed in self._member.topics
        ]

    def moved(self, replies: Sequence[Any]) -> None:
        """Note what is due next; no replies tell nothing."""
        if not replies:
            return
        moments = [float(reply) / 1000 for reply in replies if isinstance(reply, bytes) and reply]
        self._soonest = min(moments, default=None)

    def take_over(self, now: float, room: int) -> list[Command]:
        """Commands, one for each feed, that take what others did not keep; or none."""
        if now < self._takes_over_at:
            return []
        self._takes_over_at = now + self._takes_over_every_s
        return self._claim(room)

    def _forget(self) -> list[Command]:
        """Take nothing over where partitions have owners, but forget who is long gone."""
        return self._claim(0) if self._member.is_ordered else []

    def _claim(self, room: int) -> list[Command]:
        feeds = self._member.feeds
        if not feeds:
            return []
        # Each feed may fill its part alone: together they never take more than there is room for.
        # Who gets one more changes, so that a room of one serves every feed in turn.
        n = len(feeds)
        self._turn = (self._turn + 1) % n
        parts = [room // n + ((i + self._turn) % n < room % n) for i in range(n)]
        lease_ms, gone_ms = int(self._member.options.lease_s * 1000), int(GONE_S * 1000)
        return [
            (*script("take_over", 1), feed.stream, *self._member.names, lease_ms, part, gone_ms)
            for feed, part in zip(feeds, parts, strict=True)
        ]

    def tidy(self, now: float) -> list[Command]:
        """Commands that show that the member lives and that trim the main streams; or none."""
        if now < self._tidies_at:
            return []
        self._tidies_at = now + self._tidies_every_s
        moment = int(self._clock.time() * 1000)
        trims: list[Command] = [
            (*script("trim", 3), feed.stream, feed.keys.anonymous, feed.keys.meta, moment)
            for feed in self._member.feeds
            if feed.lane == "main"
        ]
        return [*self._member.here(), *self._forget(), *self.renew(), *trims]

    def renew(self, topics: Sequence[Feed] | None = None) -> list[Command]:
        """Commands that say until when a private group is wanted, of these topics or all."""
        if not self._member.is_private:
            return []
        until = int((self._clock.time() + self._member.options.anonymous_ttl_s) * 1000)
        group, topics = self._member.group, topics or self._member.topics
        return [("ZADD", feed.keys.anonymous, until, group) for feed in topics]

    def _is_ripe(self) -> bool:
        return self._soonest is not None and self._soonest <= self._clock.time()
