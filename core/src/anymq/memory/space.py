"""A space: all topics, groups and streams that the Apps of one process share under one name."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count

from anymq.capabilities import Durability
from anymq.errors import BackendUnavailable, TopologyError, UnsupportedError
from anymq.memory.group import Group
from anymq.memory.jobs import JobTable
from anymq.memory.log import Log
from anymq.message import Message
from anymq.outcome import CONFIRMED, Rejected, SendResult
from anymq.topology import (
    GroupSpec,
    TopicSpec,
    Topology,
    TopologyMode,
    is_pattern,
    matches,
)

__all__ = ["Route", "Space", "Topic", "Waiter", "space_named"]


class Waiter:
    """A receive that waits; woken from any thread."""

    __slots__ = ("future", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()

    def wake(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self.loop:
            self._finish()
        elif not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class Topic:
    """One topic: its declaration and its groups, named and anonymous."""

    def __init__(self, spec: TopicSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.groups: dict[str, Group] = {}
        self.anonymous: set[Group] = set()


class Route:
    """Where the messages of one address go within one send, and how many more may."""

    __slots__ = ("groups", "refusal", "room", "wanted")

    def __init__(self, groups: tuple[Group, ...], room: int, refusal: Rejected) -> None:
        self.groups = groups
        self.room = room
        self.refusal = refusal
        self.wanted = 0

    def store(self, message: Message) -> SendResult:
        if self.room <= 0:
            return self.refusal
        self.room -= 1
        for group in self.groups:
            if message.lane == "dead":
                group.dead[message.id] = message
            else:
                group.push(message)
        return CONFIRMED


class Space:
    """The store. ``lock`` guards everything in it: Apps in several threads may share a space."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.Lock()
        self.topics: dict[str, Topic] = {}
        self.wildcards: list[tuple[str, Group]] = []
        self.waiters: dict[Group, deque[Waiter]] = {}
        self.streams: dict[str, Log] = {}
        self.stream_waiters: list[Waiter] = []
        self.committed: dict[tuple[str, str], str] = {}
        self.jobs = JobTable()
        self.tokens = count(1)
        """Unique in the space, so that a stale token never fits a later delivery."""
        self.outage: str | None = None
        """Set by the harness: why ``open`` and ``health`` fail at present."""

    def check_up(self) -> None:
        """Raise BackendUnavailable during an outage."""
        if self.outage is not None:
            raise BackendUnavailable(f"memory://{self.name} is not available: {self.outage}")

    def declare(self, topology: Topology, mode: TopologyMode) -> None:
        """Create or check topics and groups."""
        with self.lock:
            for topic in topology.topics:
                self._declare_topic(topic, mode)
            for group in topology.groups:
                self._declare_group(group, mode)

    def topic(self, name: str) -> Topic:
        """A declared topic. Raises TopologyError."""
        found = self.topics.get(name)
        if found is None:
            raise TopologyError(
                f"topic {name!r} does not exist on memory://{self.name}: declare it with"
                " app.topic(...), and run 'anymq topology apply' or set topology = \"manage\""
            )
        return found

    def group(self, topic: str, name: str) -> Group:
        """A declared group of a topic or pattern. Raises TopologyError."""
        found = self._find_group(topic, name)
        if found is None:
            self.topic(topic)
            raise TopologyError(
                f"group {name!r} of topic {topic!r} does not exist:"
                " run 'anymq topology apply' or set topology = \"manage\""
            )
        return found

    def attach(self, topics: Iterable[str], group: Group) -> None:
        """Let an anonymous group hear topics and patterns from now on. The lock is held."""
        for topic in topics:
            if is_pattern(topic):
                self.wildcards.append((topic, group))
            else:
                self.topic(topic).anonymous.add(group)

    def detach(self, group: Group) -> None:
        """Forget an anonymous group with all it holds. The lock is held."""
        self.wildcards = [
            (pattern, other) for pattern, other in self.wildcards if other is not group
        ]
        for topic in self.topics.values():
            topic.anonymous.discard(group)
        self.waiters.pop(group, None)

    def send(
        self, messages: Sequence[Message], *, atomic: bool, max_messages: int
    ) -> Sequence[SendResult]:
        """Store messages; one result each. Wakes who waits for them."""
        with self.lock:
            routes: dict[tuple[str, str | None], Route] = {}
            for message in messages:
                address = (message.topic, message.group)
                if address not in routes:
                    routes[address] = self._route(message, max_messages)
                routes[address].wanted += 1
            if atomic:
                refused = next((r for r in routes.values() if r.wanted > r.room), None)
                if refused is not None:
                    return [refused.refusal] * len(messages)
            results = [routes[m.topic, m.group].store(m) for m in messages]
            self.wake(group for route in routes.values() for group in route.groups)
        return results

    def wake(self, groups: Iterable[Group]) -> None:
        """Wake the longest waiting receive of each group. The lock is held."""
        for group in groups:
            queue = self.waiters.get(group)
            while queue:
                waiter = queue.popleft()
                if not waiter.future.done():
                    waiter.wake()
                    break

    def wake_readers(self) -> None:
        """Wake every stream reader that waits. The lock is held."""
        for waiter in self.stream_waiters:
            waiter.wake()
        self.stream_waiters.clear()

    def remove(self, group: Group) -> None:
        """Delete a named group with all it holds. The lock is held."""
        self.detach(group)
        owner = self.topics.get(group.topic)
        if owner is not None and group.name is not None:
            owner.groups.pop(group.name, None)

    def targets(self, message: Message) -> Iterable[Group]:
        """The groups that a message reaches: its own, or all of the topic. Raises TopologyError."""
        topic = self.topic(message.topic)
        if message.group is None:
            wild = [group for pattern, group in self.wildcards if matches(pattern, message.topic)]
            return [*topic.groups.values(), *topic.anonymous, *wild]
        found = topic.groups.get(message.group)
        if found is not None:
            return (found,)
        named = [g for p, g in self.wildcards if g.name == message.group and matches(p, topic.name)]
        return (named[0] if named else self.group(message.topic, message.group),)

    def _find_group(self, topic: str, name: str) -> Group | None:
        if is_pattern(topic):
            return next((g for p, g in self.wildcards if p == topic and g.name == name), None)
        owner = self.topics.get(topic)
        return owner.groups.get(name) if owner is not None else None

    def _declare_group(self, spec: GroupSpec, mode: TopologyMode) -> None:
        if mode is not TopologyMode.MANAGE:
            if mode is TopologyMode.VERIFY:
                self.group(spec.topic, spec.name)
            return
        if self._find_group(spec.topic, spec.name) is not None:
            return
        group = Group(spec.topic, spec.name, by_key=spec.order == "key")
        if is_pattern(spec.topic):
            self.wildcards.append((spec.topic, group))
        else:
            self.topic(spec.topic).groups[spec.name] = group

    def _route(self, message: Message, max_messages: int) -> Route:
        try:
            groups = tuple(self.targets(message))
        except TopologyError as error:
            return Route((), 0, Rejected("not_found", str(error)))
        full = Rejected("full", f"{max_messages} messages wait on {message.topic!r} already")
        room = min((max_messages - group.waiting for group in groups), default=max_messages)
        return Route(groups, room, full)

    def _declare_topic(self, spec: TopicSpec, mode: TopologyMode) -> None:
        if spec.durability is not None and spec.durability > Durability.NONE:
            raise UnsupportedError(
                f"topic {spec.name!r} asks durability={spec.durability.name.lower()!r}, and"
                " memory:// keeps messages in this process only (durability 'none')"
            )
        found = self.topics.get(spec.name)
        if found is None and mode is TopologyMode.MANAGE:
            self.topics[spec.name] = Topic(spec)
        elif found is None and mode is TopologyMode.VERIFY:
            self.topic(spec.name)
        elif found is not None and found.spec.partitions != spec.partitions:
            self._change_partitions(found, spec)

    def _change_partitions(self, topic: Topic, spec: TopicSpec) -> None:
        unsettled = [g for g in topic.groups.values() if g.waiting or g.in_flight or g.delayed]
        if unsettled:
            raise TopologyError(
                f"topic {spec.name!r} has {topic.spec.partitions} partitions, not"
                f" {spec.partitions}, and group {unsettled[0].name!r} has unsettled messages"
            )
        topic.spec = spec


def space_named(name: str) -> Space:
    """The process's space of that name, made at first use and kept as long as the process."""
    with _guard:
        return _spaces.setdefault(name, Space(name))


_guard = threading.Lock()
_spaces: dict[str, Space] = {}
