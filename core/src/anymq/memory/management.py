"""The operator's view of a space."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from anymq.abc import DeadLetterEntry, GroupState, Management, TopicState
from anymq.abc.management import Resolution
from anymq.errors import Busy
from anymq.memory.group import Group
from anymq.memory.space import Space
from anymq.support.clock import Clock

__all__ = ["MemoryManagement"]


class MemoryManagement(Management):
    """Reads and tidies a space under its lock."""

    def __init__(self, space: Space, clock: Clock) -> None:
        self._space = space
        self._clock = clock

    async def topics(self) -> Sequence[TopicState]:
        with self._space.lock:
            return [
                TopicState(
                    name,
                    topic.spec.partitions,
                    max((group.waiting for group in topic.groups.values()), default=0),
                )
                for name, topic in sorted(self._space.topics.items())
            ]

    async def groups(self, topic: str | None = None) -> Sequence[GroupState]:
        with self._space.lock:
            if topic is not None:
                self._space.topic(topic)
            names = sorted(self._space.topics) if topic is None else [topic]
            found = [g for n in names for _, g in sorted(self._space.topics[n].groups.items())]
            if topic is None:
                found += [group for _, group in self._space.wildcards if group.name is not None]
            return [self._state(group) for group in found]

    async def dead_letters(
        self, topic: str, group: str, *, limit: int, after: str | None = None
    ) -> Sequence[DeadLetterEntry]:
        with self._space.lock:
            dead = self._space.group(topic, group).dead
            ids = list(dead)
            begin = ids.index(after) + 1 if after in dead else 0
            return [
                DeadLetterEntry(entry, topic, group, dead[entry])
                for entry in ids[begin : begin + limit]
            ]

    async def resolve(
        self, topic: str, group: str, ids: Sequence[str], resolution: Resolution
    ) -> int:
        with self._space.lock:
            found = self._space.group(topic, group)
            self._check_free(found)
            return sum(found.dead.pop(entry, None) is not None for entry in ids)

    async def purge(self, topic: str, group: str) -> int:
        with self._space.lock:
            return self._space.group(topic, group).purge()

    async def remove_group(self, topic: str, group: str) -> None:
        with self._space.lock:
            found = self._space.group(topic, group)
            if found.members:
                raise Busy(f"group {group!r} of {topic!r} has {found.members} member(s)")
            self._space.remove(found)

    @asynccontextmanager
    async def administer(self, topic: str, group: str, *, lease_s: float) -> AsyncIterator[None]:
        with self._space.lock:
            found = self._space.group(topic, group)
            self._check_free(found)
            found.admin = (self, self._clock.monotonic() + lease_s)
        try:
            yield
        finally:
            self._let_go(found)

    def _let_go(self, group: Group) -> None:
        if group.admin is not None and group.admin[0] is self:
            group.admin = None

    def _check_free(self, group: Group) -> None:
        if group.admin is None or group.admin[0] is self:
            return
        if group.admin[1] > self._clock.monotonic():
            raise Busy(
                f"another operator works on the dead letters of {group.topic!r}/{group.name!r}"
            )

    def _state(self, group: Group) -> GroupState:
        idle = 0.0
        if not group.members:
            since = group.idle_since
            idle = self._clock.monotonic() - since if since is not None else 0.0
        return GroupState(
            topic=group.topic,
            name=group.name or "",
            ready=group.waiting,
            in_flight=group.in_flight,
            delayed=len(group.delayed),
            dead=len(group.dead),
            members=group.members,
            idle_s=idle,
        )
