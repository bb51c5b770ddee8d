"""What a subscription reads: the topics it names, and those that match its patterns."""

from __future__ import annotations

import asyncio

from anymq.support.clock import Clock
from anymq.topology import Source, is_pattern, matches
from anymq_redis.feeds import Feed, feeds_of
from anymq_redis.member import Member
from anymq_redis.options import RedisOptions
from anymq_redis.topology import Declarations
from anymq_redis.upkeep import Upkeep

__all__ = ["Discovery"]

LOOK_S = 0.5
"""How often to look for topics that were declared since."""


class Discovery:
    """Finds the streams of one source."""

    def __init__(
        self, source: Source, group: str, declarations: Declarations, options: RedisOptions
    ) -> None:
        self._source = source
        self._group = group
        self._declarations = declarations
        self._timeout_s = options.request_timeout_s
        self._patterns = [topic for topic in source.topics if is_pattern(topic)]
        self._known: set[str] = set()
        self._looks_at = 0.0

    @property
    def looks_every_s(self) -> float | None:
        """How often there may be more to read; None: never."""
        return LOOK_S if self._patterns else None

    async def begin(self) -> list[Feed]:
        """The streams of all topics that are there. Raises TopologyError for what is missing."""
        for pattern in self._patterns:
            if self._source.group is not None:
                await self._declarations.check_pattern(
                    pattern, self._source.group, timeout_s=self._timeout_s
                )
        named = [topic for topic in self._source.topics if not is_pattern(topic)]
        found = await self._feeds(named, self._source.group)
        if self._patterns:
            self._looks_at = asyncio.get_running_loop().time() + LOOK_S
            found += await self._feeds(await self._unknown(), None)
        return found

    async def look(self, member: Member, clock: Clock) -> None:
        """Have the member read what was declared since, from its beginning.

        Raises: BackendUnavailable, AccessDenied, TopologyError.
        """
        now = asyncio.get_running_loop().time()
        if not self._patterns or now < self._looks_at:
            return
        self._looks_at = now + LOOK_S
        feeds = await self._feeds(await self._unknown(), None)
        if feeds:
            member.add(feeds)  # should the rest fail, reading them makes it good
            topics = list({feed.keys: feed for feed in feeds}.values())
            commands = Upkeep(member, clock).renew(topics) + member.restore(feeds)
            await self._declarations.run(commands, timeout_s=self._timeout_s)

    async def _unknown(self) -> list[str]:
        """Topics that match and are not read yet."""
        names = await self._declarations.names(timeout_s=self._timeout_s)
        return [
            name
            for name in names
            if name not in self._known and any(matches(p, name) for p in self._patterns)
        ]

    async def _feeds(self, topics: list[str], group: str | None) -> list[Feed]:
        if not topics:
            return []
        partitions = await self._declarations.partitions(topics, group, timeout_s=self._timeout_s)
        self._known.update(topics)
        return [
            feed
            for topic, n in zip(topics, partitions, strict=True)
            for feed in feeds_of(topic, self._declarations.keys(topic), self._group, n)
        ]
