"""GroupReading: one member of a group that shares the partitions of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Generic, Literal, Self, TypeVar, get_args

from anymq.abc import Health
from anymq.abc.stream import Start
from anymq.codecs.reading import BodyReader
from anymq.errors import BackendUnavailable, ClosedError, ConfigError, InvalidState
from anymq.streams.lane import Lane, Shelf
from anymq.streams.membership import Membership, log_of, wait_set
from anymq.streams.positions import GroupPositions
from anymq.streams.progress import Progress
from anymq.streams.record import StreamRecord
from anymq.support.limits import within

if TYPE_CHECKING:
    from reactivex import Observable

    from anymq.runtime.stream_role import StreamRole

__all__ = ["CommitPolicy", "GroupReading"]

T = TypeVar("T")
CommitPolicy = Literal["after", "manual"]

CLOSE_S = 5.0


class GroupReading(Generic[T]):
    """``async with stream.group("g") as member``, then ``async for record in member``.

    At least once: what was not done when its partition moved comes to the next member. Records
    come in order per partition. One task iterates at a time; ``done`` may be called anywhere.
    """

    def __init__(
        self,
        role: StreamRole,
        stream: str,
        group: str,
        start: Start,
        *,
        read: BodyReader,
        commit: CommitPolicy,
        commit_every_s: float,
        lease_s: float,
        stuck_after_s: float,
        prefetch: int,
    ) -> None:
        if commit not in get_args(CommitPolicy):
            raise ConfigError(f'group {group!r}: commit={commit!r} must be "after" or "manual"')
        for name, value in (("commit_every_s", commit_every_s), ("lease_s", lease_s)):
            if not value > 0:
                raise ConfigError(f"group {group!r}: {name}={value} must be more than 0")
        self.stream = stream
        self.group = group
        self._role = role
        self._start = start
        self._read = read
        self._commit_policy = commit
        self._commit_every_s = commit_every_s
        self._lease_s = lease_s
        self._stuck_after_s = stuck_after_s
        self._prefetch = prefetch
        self._shelf = Shelf(prefetch)
        self._progress: dict[int, Progress] = {}
        self._lanes: dict[int, tuple[Lane, asyncio.Task[None]]] = {}
        self._leaving: dict[int, float] = {}
        """Partitions to be given up, and until when what is in hand is waited for."""
        self._positions = GroupPositions(role, stream, group)
        self._membership: Membership | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._is_closed = False

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions that this member has now; empty while it stands by."""
        return frozenset(self._progress.keys() - self._leaving.keys())

    async def __aenter__(self) -> Self:
        """Join. Raises TopologyError, BackendUnavailable, UnsupportedError, InvalidState."""
        if self._task is not None:
            raise InvalidState(f"this member of group {self.group!r} is open already")
        role = self._role
        await role.ready(self.stream)
        await role.declare(log_of(self.stream))
        self._membership = Membership(
            role,
            self.stream,
            self.group,
            partitions=role.partitions(self.stream),
            lease_s=self._lease_s,
        )
        role.groups.add(self)
        self._task = role.spawn(self._run(self._membership))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def __aiter__(self) -> AsyncIterator[StreamRecord[T]]:
        """Record after record, until the member is closed. Raises what ended it otherwise."""
        if self._task is None:
            raise InvalidState("use 'async with stream.group(...) as member' first")
        is_auto = self._commit_policy == "after"
        shelf, monotonic, read = self._shelf, self._role.clock.monotonic, self._read
        while await shelf.wait_news():
            while (taken := shelf.take()) is not None:
                raw, progress, item = taken
                item.since = monotonic()
                yield StreamRecord(raw, read)
                if is_auto:
                    self._done(progress, raw.position)

    def done(self, record: StreamRecord[T]) -> bool:
        """Say that a record is done; any order. False if it was, or its partition is not ours.

        Stored in the background; ``commit`` stores it now.
        """
        progress = self._progress.get(record.partition)
        return progress is not None and self._done(progress, record.position)

    async def commit(self) -> None:
        """Store how far the group has come; confirmed when it returns.

        The position never passes a record that is not done. Raises BackendUnavailable.
        """
        if self._is_closed:
            raise ClosedError(f"this member of group {self.group!r} is closed")
        await self._store_all()

    def observable(self) -> Observable[StreamRecord[T]]:
        """This member's records as a reactivex Observable (``anymq[reactive]``); subscribe once.

        Say ``done`` of each record downstream. Raises ConfigError unless ``commit="manual"``:
        otherwise a record would count as done when the next is asked for, not when it is.
        """
        from anymq.reactive.observing import observe

        if self._commit_policy != "manual":
            raise ConfigError(f'group {self.group!r}: an Observable needs commit="manual"')
        return observe(self.__aiter__, self._role.spawn)

    def health(self) -> Health:
        """Down when it ended by itself, and when a record, named, is not done for too long."""
        if self._failure is not None:
            return Health("down", f"{type(self._failure).__name__}: {self._failure}")
        now = self._role.clock.monotonic()
        for progress in self._progress.values():
            item = progress.oldest()
            if item is None or item.since is None or now - item.since <= self._stuck_after_s:
                continue
            where = f"partition {progress.partition}, position {item.position}"
            return Health("down", f"the record at {where} is not done for {now - item.since:.0f} s")
        return Health("up")

    async def aclose(self) -> None:
        """Store what is done, and leave: others take over at once. Idempotent, bounded."""
        if await self._end():
            async with within(CLOSE_S):
                await self._store_all()
            if self._membership is not None:
                await self._membership.leave(CLOSE_S)

    async def abandon(self) -> None:
        """End as a killed process does: nothing is stored, nobody is told. For tests."""
        await self._end()

    async def _end(self) -> bool:
        """Whether it was still open."""
        was_open, self._is_closed = not self._is_closed, True
        self._role.groups.discard(self)
        self._shelf.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=CLOSE_S)
        return was_open

    def _done(self, progress: Progress, position: str) -> bool:
        is_news = progress.done(position)
        if is_news and self._leaving and self._membership is not None:
            self._membership.changed.set()
        return is_news

    async def _run(self, membership: Membership) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(membership.follow())
                tasks.create_task(membership.beat())
                tasks.create_task(self._store_regularly())
                await self._assign(membership, tasks)
        except Exception as error:  # noqa: BLE001 - told to whoever iterates, and by health
            self._failure = _first(error)
            self._shelf.fail(self._failure)

    async def _assign(self, membership: Membership, tasks: asyncio.TaskGroup) -> None:
        """For ever: take what became ours, give up what others should have, stop what is lost."""
        while True:
            membership.changed.clear()
            owned, share = membership.owned, membership.share
            for partition in self._progress.keys() - owned:
                self._drop(partition)
            for partition in owned - share:
                await self._give_up(partition, membership)
            for partition in self._leaving.keys() & share:
                self._stay(partition)
            fresh = (owned & share) - self._progress.keys()
            if fresh:
                await self._begin(sorted(fresh), tasks)
            limit_s = membership.fence_in_s if owned else self._lease_s
            await wait_set(membership.changed, self._role.clock, max(0.001, limit_s))

    async def _begin(self, partitions: list[int], tasks: asyncio.TaskGroup) -> None:
        """Start to read partitions where the group is in each of them."""
        try:
            starts = {p: await self._positions.start(p, self._start) for p in partitions}
        except BackendUnavailable:
            return  # ours they stay, and at the next change or fence it is tried again
        lanes: dict[Start, Lane] = {}
        for partition, start in starts.items():
            lane = lanes.get(start)
            if lane is None:
                lane = lanes[start] = Lane(
                    self._role,
                    self.stream,
                    self.group,
                    start,
                    self._shelf,
                    prefetch=self._prefetch,
                )
            self._progress[partition] = lane.partitions[partition] = Progress(partition)
        for lane in lanes.values():
            task = tasks.create_task(lane.run())
            self._lanes.update(dict.fromkeys(lane.partitions, (lane, task)))

    async def _give_up(self, partition: int, membership: Membership) -> None:
        """Hand out nothing more; once nothing is in hand (or it takes too long), store and go."""
        progress = self._progress.get(partition)
        if progress is None:
            membership.give_up(partition)
            return
        now = self._role.clock.monotonic()
        progress.is_open = False
        until = self._leaving.setdefault(partition, now + self._lease_s / 2)
        if progress.in_hand and now < until:
            return
        try:
            await self._positions.store(progress)
        except BackendUnavailable:
            return
        self._drop(partition)
        membership.give_up(partition)

    def _stay(self, partition: int) -> None:
        """It is to stay here after all: begun anew, since what was on the shelf is not there."""
        self._drop(partition)

    def _drop(self, partition: int) -> None:
        self._leaving.pop(partition, None)
        self._progress.pop(partition).is_open = False
        lane, task = self._lanes.pop(partition)
        del lane.partitions[partition]
        if not lane.partitions:
            task.cancel()

    async def _store_regularly(self) -> None:
        while True:
            await self._role.clock.sleep(self._commit_every_s)
            try:
                await self._store_all()
            except BackendUnavailable:
                continue

    async def _store_all(self) -> None:
        for progress in tuple(self._progress.values()):
            await self._positions.store(progress)


def _first(error: BaseException) -> Exception:
    """The first single error of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
