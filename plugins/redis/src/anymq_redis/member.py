"""One member of a group: who it is on the server, and what it reads."""

from __future__ import annotations

from collections.abc import Sequence

from anymq.message import Delivery
from anymq_redis.feeds import Feed
from anymq_redis.link import Argument, Command
from anymq_redis.options import RedisOptions
from anymq_redis.scripts import script

__all__ = ["Member"]

_BEHIND_ALL = f"{2**64 - 1}-{2**64 - 2}"
"""Of what a consumer holds already, what is behind this id: nothing, ever. (The very last id is how
the server writes ">" for itself: it would deliver.)"""


class Member:
    """Named groups are shared; a private one belongs to this member and ends with it."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        *,
        group: str,
        consumer: str,
        is_private: bool,
        is_ordered: bool,
        options: RedisOptions,
    ) -> None:
        self.group = group
        self.consumer = consumer
        self.is_private = is_private
        self.is_ordered = is_ordered
        """Whether it reads owned partitions alone, so that keys stay in order."""
        self.options = options
        self.feeds: list[Feed] = []
        self.by_stream: dict[bytes, Feed] = {}
        self.add(feeds)

    def add(self, feeds: Sequence[Feed]) -> None:
        """Read these, too."""
        self.feeds += feeds
        self.by_stream.update((feed.stream.encode(), feed) for feed in feeds)

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

    def join(self, feeds: Sequence[Feed], start: str = "$") -> list[Command]:
        """Be a member that is seen; a private group is made: it begins at ``start``."""
        if not self.is_private:
            created = [("XGROUP", "CREATECONSUMER", feed.stream, *self.names) for feed in feeds[:1]]
            return [*created, *self.here()]
        return [
            ("XGROUP", "CREATE", feed.stream, self.group, start, "MKSTREAM")
            if feed.lane == "main"
            else ("XGROUP", "CREATE", feed.stream, self.group, "0", "MKSTREAM")
            for feed in feeds
        ]

    def leave(self) -> list[Command]:
        """Give everything back, or remove the private group with all it has."""
        own = [feed.companions for feed in self.topics]
        if not self.is_private:
            commands: list[Command] = [self.give_back(feed) for feed in self.feeds]
            if self.is_ordered:
                commands += [
                    (*script("disown", 2), o.members, o.owners, self.consumer) for o in own
                ]
            return commands
        mains = [feed.stream for feed in self.feeds if feed.lane == "main"]
        private = [feed.stream for feed in self.feeds if feed.lane == "retry"]
        commands = [("XGROUP", "DESTROY", stream, self.group) for stream in mains]
        commands += [("DEL", o.dead, o.delayed, o.admin, o.members, o.owners) for o in own]
        commands += [("DEL", stream) for stream in private]
        commands += [("ZREM", feed.keys.anonymous, self.group) for feed in self.topics]
        return commands

    def restore(self, feeds: Sequence[Feed]) -> list[Command]:
        """Make again what the server has lost. The group then begins with what is there."""
        if self.is_private:
            return self.join(feeds, "0")
        commands: list[Command] = []
        for feed in {feed.keys: feed for feed in feeds}.values():
            partitions = sum(f.keys == feed.keys and f.lane == "main" for f in feeds)
            keys = (feed.keys.name, feed.keys.meta, feed.keys.groups)
            commands.append((*script("declare", 3), *keys, partitions, "", "1", self.group))
        return commands

    def give_back(self, feed: Feed) -> Command:
        """Give back the ids of the feed that follow, or all, and leave, where none do."""
        if self.is_ordered:
            return (*script("hand_back", 1), feed.stream, *self.names)
        keys = (feed.stream, feed.companions.retry(feed.partition))
        return (*script("give_back", 2), *keys, *self.names, feed.deletes, feed.label)

    def here(self) -> list[Command]:
        """Ask for nothing, which counts as a sign of life."""
        head = ("XREADGROUP", "GROUP", *self.names, "COUNT", 1, "STREAMS")
        return [(*head, feed.stream, _BEHIND_ALL) for feed in self.feeds[:1]]

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
