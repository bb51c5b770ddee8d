"""One member of a group: who it is on the server, and what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anymq.message import Delivery
from anymq_redis.feeds import Feed
from anymq_redis.link import Argument, Command
from anymq_redis.options import RedisOptions
from anymq_redis.scripts import script

__all__ = ["Member"]

_BEHIND_ALL = f"{2**64 - 1}-{2**64 - 2}"
"""Of what a consumer holds already, what is behind this id: nothing, ever. (The very last id is how
the server writes ">" for itself: it would deliver.)"""


@dataclass(frozen=True, slots=True)
class Member:
    """Named groups are shared; a private one belongs to this member and ends with it."""

    feeds: tuple[Feed, ...]
    group: str
    consumer: str
    is_private: bool
    options: RedisOptions

    @property
    def names(self) -> tuple[str, str]:
        """Group and consumer, as commands and scripts want them."""
        return self.group, self.consumer

    @property
    def topics(self) -> list[Feed]:
        """One feed of each topic."""
        return list({feed.keys: feed for feed in self.feeds}.values())

    def delivery(
        self, feed: Feed, entry: Sequence[object], *, taken_over: bool = False
    ) -> Delivery:
        """An entry as a delivery to this group."""
        return feed.delivery(None if self.is_private else self.group, entry, taken_over=taken_over)

    def join(self) -> list[Command]:
        """Be a member that is seen; a private group is made: it begins now."""
        if not self.is_private:
            first = self.feeds[0].stream
            return [("XGROUP", "CREATECONSUMER", first, *self.names), self.here()]
        commands: list[Command] = []
        for feed in self.feeds:
            start = "$" if feed.lane == "main" else "0"
            commands.append(("XGROUP", "CREATE", feed.stream, self.group, start, "MKSTREAM"))
        return commands

    def leave(self) -> list[Command]:
        """Give everything back, or remove the private group with all it has."""
        if not self.is_private:
            return [self.give_back(feed) for feed in self.feeds]
        commands: list[Command] = [
            ("XGROUP", "DESTROY", feed.stream, self.group)
            for feed in self.feeds
            if feed.lane == "main"
        ]
        for feed in self.topics:
            own = feed.companions
            commands.append(("DEL", own.retry, own.dead, own.delayed, own.admin))
            commands.append(("ZREM", feed.keys.anonymous, self.group))
        return commands

    def restore(self) -> list[Command]:
        """Make again what the server has lost. A named group then begins with what is there."""
        if self.is_private:
            return self.join()
        commands: list[Command] = []
        for feed in self.topics:
            partitions = sum(f.keys == feed.keys and f.lane == "main" for f in self.feeds)
            keys = (feed.keys.name, feed.keys.meta, feed.keys.groups)
            commands.append(("SADD", feed.keys.groups, self.group))
            commands.append((*script("declare", 3), *keys, partitions, "", self.group))
        return commands

    def give_back(self, feed: Feed) -> Command:
        """Give back the ids of the feed that follow, or all, and leave, where none do."""
        keys = (feed.stream, feed.companions.retry)
        return (*script("give_back", 2), *keys, *self.names, feed.deletes, feed.label)

    def here(self) -> Command:
        """Ask for nothing, which counts as a sign of life."""
        return (
            *("XREADGROUP", "GROUP", *self.names, "COUNT", 1),
            *("STREAMS", self.feeds[0].stream, _BEHIND_ALL),
        )

    def read(self, feeds: Sequence[Feed], count: int, block_s: float = 0.0) -> Command:
        """Ask for new entries: up to ``count`` of each feed."""
        wait: tuple[Argument, ...] = ("BLOCK", max(1, int(block_s * 1000))) if block_s else ()
        streams = [feed.stream for feed in feeds]
        new = [">"] * len(streams)
        return (
            "XREADGROUP",
            "GROUP",
            *self.names,
            "COUNT",
            count,
            *wait,
            "STREAMS",
            *streams,
            *new,
        )
