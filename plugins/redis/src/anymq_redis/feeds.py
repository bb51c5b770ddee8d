"""The streams that one subscription reads, and how it shares its room among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anymq.message import Delivery, Lane
from anymq_redis.keys import GroupKeys, TopicKeys
from anymq_redis.wire import decode

__all__ = ["Feed", "Token", "feeds_of", "shares"]

RETRY_SHARE = 8
"""The private streams get one part in so many of the room: they are nearly always empty."""


@dataclass(slots=True, eq=False)
class Feed:
    """One stream of one group, main or private."""

    stream: str
    topic: str
    """The logical name, for messages."""
    keys: TopicKeys
    companions: GroupKeys
    lane: Lane
    label: str = ""
    """Put before an id to make a position, where a topic has several partitions."""
    partition: int = 0
    marks: int = 1
    """Where keys are kept in order: how often something was left that is to be claimed first."""
    cleaned: int = 0
    """There, too: so many of the marks have been dealt with."""
    last_id: str = ""
    """And everything up to this id has been delivered."""

    @property
    def is_dirty(self) -> bool:
        """Whether something may have been left."""
        return self.marks != self.cleaned

    def mark(self) -> None:
        """Something may have been left."""
        self.marks += 1

    @property
    def deletes(self) -> str:
        """ "1" where a settled entry is of use to nobody else, so that it is deleted."""
        return "1" if self.lane == "retry" else "0"

    def delivery(
        self, group: str | None, entry: Sequence[Any], *, taken_over: bool = False
    ) -> Delivery:
        """An entry (id, fields, and how often it was delivered where that is known)."""
        entry_id = entry[0].decode()
        position = self.label + entry_id
        message, returned = decode(
            entry[1],
            topic=self.topic,
            lane=self.lane,
            position=position,
            entry_id=entry_id,
        )
        deliveries = entry[2] if len(entry) > 2 else 1
        return Delivery(
            message=message,
            group=group,
            token=Token(self, entry_id),
            position=position,
            delivery_count=deliveries + (returned or 0),
            redelivered=taken_over or returned is not None or message.attempt > 1,
        )


class Token:
    """What it takes to settle a delivery: the stream it came from and its id there."""

    __slots__ = ("entry_id", "feed", "is_over")

    def __init__(self, feed: Feed, entry_id: str) -> None:
        self.feed = feed
        self.entry_id = entry_id
        self.is_over = False
        """Settled, lost, or delivered anew since: settling it is stale."""


def feeds_of(topic: str, keys: TopicKeys, group: str, partitions: int) -> list[Feed]:
    """All that a member of the group reads of one topic: main streams first."""
    companions = keys.group(group)
    feeds = [
        Feed(stream, topic, keys, companions, "main", f"{i}:" if partitions > 1 else "", i)
        for i, stream in enumerate(keys.streams(partitions))
    ]
    feeds += [
        Feed(stream, topic, keys, companions, "retry", f"retry:{i}:" if i else "retry:", i)
        for i, stream in enumerate(companions.retries(partitions))
    ]
    return feeds


def shares(feeds: Sequence[Feed], room: int, turn: int) -> list[tuple[Feed, int]]:
    """How many entries to ask of each stream, ``room`` in all; ``turn`` rotates what is uneven."""
    n = len(feeds)
    turned = [feeds[(turn + i) % n] for i in range(n)]
    if room <= n:
        return [(feed, 1) for feed in turned[:room]]
    private = [feed for feed in turned if feed.lane == "retry"]
    main = [feed for feed in turned if feed.lane != "retry"]
    for_private = max(1, room // (RETRY_SHARE * len(private)))
    rest = room - for_private * len(private)
    each, more = divmod(rest, len(main))
    asked = [(feed, for_private) for feed in private]
    asked += [(feed, each + (i < more)) for i, feed in enumerate(main)]
    return [(feed, count) for feed, count in asked if count]
