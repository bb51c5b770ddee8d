"""StreamHandle: a stream as an application holds it. ``app.stream(name)`` gives one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anymq.abc import StreamSpec
from anymq.abc.stream import EARLIEST, Start
from anymq.outcome import SendResult
from anymq.streams.group import CommitPolicy, GroupReading
from anymq.streams.reading import Reading
from anymq.topology import check_group

if TYPE_CHECKING:
    from reactivex import Observable

    from anymq.runtime.stream_role import StreamRole
    from anymq.streams.record import StreamRecord

__all__ = ["PREFETCH", "StreamHandle"]

T = TypeVar("T")

PREFETCH = 500
"""Records that a reader takes at once: one round trip for many, and little to hold."""


class StreamHandle(Generic[T]):
    """Appends to one stream and reads it. Safe to use from many tasks; made before the start."""

    def __init__(
        self, spec: StreamSpec, role: Callable[[], StreamRole], *, body: Any, timeout_s: float
    ) -> None:
        self.spec = spec
        self._role = role
        self._body = body
        self._timeout_s = timeout_s

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.spec.name

    async def append(self, body: T, *, timeout_s: float | None = None, **options: Any) -> str:
        """Append one record; returns its id once the backend has it.

        ``options``: key, headers, message_id, correlation_id, causation_id. Records of one key
        stand in one partition, in the order of the calls that were awaited one after the other. A
        result that stays unknown is repeated with the same id until ``timeout_s`` is over.

        Raises: PublishRejected (certainly not appended), PublishUnknown, ClosedError, InvalidState.
        """
        writer = await self._role().writer(self.name)
        return await writer.append(self.name, body, timeout_s or self._timeout_s, options)

    async def append_many(
        self,
        bodies: Iterable[T],
        *,
        keys: Iterable[str | None] | None = None,
        timeout_s: float | None = None,
        **options: Any,
    ) -> list[SendResult]:
        """Append many; one result each, in order: Confirmed, Rejected or Unknown.

        A failed entry never hides a stored one. ``keys`` gives one key per body.
        """
        writer = await self._role().writer(self.name)
        limit_s = timeout_s or self._timeout_s
        return await writer.append_many(self.name, bodies, keys, limit_s, options)

    def read(
        self,
        start: Start = EARLIEST,
        *,
        follow: bool = True,
        distinct: bool = False,
        prefetch: int = PREFETCH,
    ) -> Reading[T]:
        """A reader of its own, which moves no group: ``async for record in stream.read(...)``.

        ``start``: EARLIEST, LATEST, ``after(position)`` or ``at(moment)``. Without ``follow`` it
        ends at what was last when it opened. ``distinct`` drops records whose id is among the
        last 10,000 that it read, as a repeated append leaves them.
        """
        role = self._role()
        return Reading(
            role,
            self.name,
            start,
            follow=follow,
            prefetch=prefetch,
            read=role.reader(self._body),
            distinct=distinct,
        )

    def group(
        self,
        name: str,
        *,
        start: Start = EARLIEST,
        commit: CommitPolicy = "after",
        commit_every_s: float = 1.0,
        lease_s: float = 10.0,
        stuck_after_s: float = 300.0,
        prefetch: int = PREFETCH,
    ) -> GroupReading[T]:
        """A member of a group: ``async with stream.group("alerts") as member``.

        Each partition has one member at a time; further members stand by and take over what a
        member leaves, at once when it closes, ``lease_s`` after it died. ``start`` is where the
        group begins when it has no position yet. ``commit="after"``: a record is done when the
        loop asks for the next one; ``"manual"``: when ``member.done(record)`` says so. Positions
        are stored every ``commit_every_s`` and at the close. A record that is not done for
        ``stuck_after_s`` makes health say so. Raises ConfigError for a bad name.
        """
        role = self._role()
        return GroupReading(
            role,
            self.name,
            check_group(name),
            start,
            read=role.reader(self._body),
            commit=commit,
            commit_every_s=commit_every_s,
            lease_s=lease_s,
            stuck_after_s=stuck_after_s,
            prefetch=prefetch,
        )

    async def end(self) -> str:
        """The position of what is last now: ``after(end)`` there is nothing yet."""
        return await (await self._role().ready(self.name)).ends(self.name)

    def observable(
        self,
        start: Start = EARLIEST,
        *,
        follow: bool = True,
        distinct: bool = False,
        prefetch: int = PREFETCH,
    ) -> Observable[StreamRecord[T]]:
        """The records as a reactivex Observable (``anymq[reactive]``); see ``anymq.reactive``.

        Each subscription has a reader of its own, which ends with it. The reader waits for
        ``map_async`` and ``to_async_iterable`` downstream; without them it is as fast as the
        observer.
        """
        from anymq.reactive.observing import observe

        def records() -> AsyncIterator[StreamRecord[T]]:
            reading = self.read(start, follow=follow, distinct=distinct, prefetch=prefetch)
            return reading.__aiter__()

        return observe(records, self._role().spawn)
