"""Membership: one member's place in a group, kept up by beats on the stream's log of members."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from anymq.abc import Record, StreamSpec
from anymq.abc.stream import EARLIEST, At, Start
from anymq.capabilities import Support
from anymq.errors import AnyMQError
from anymq.message import Message
from anymq.outcome import Confirmed
from anymq.streams.reading import Reading
from anymq.streams.roster import Entry, Kind, Roster, decode_entry, encode_entry
from anymq.support.clock import Clock
from anymq.support.ids import new_id
from anymq.support.limits import within
from anymq.topology import RESERVED_PREFIX

if TYPE_CHECKING:
    from anymq.runtime.stream_role import StreamRole

__all__ = ["Membership", "log_of", "wait_set"]

KEEP_S = 3600.0
"""How long beats are kept: much longer than anybody looks back."""
SKEW_S = 60.0
"""How far machines' clocks may differ: only how far back a newcomer reads, never who has what."""
FENCE = 0.8
"""Part of the lease after whose silence a member itself stops, before others take over."""


def log_of(stream: str) -> StreamSpec:
    """Where the members of all groups of a stream beat."""
    return StreamSpec(f"{RESERVED_PREFIX}members.{stream}", max_age_s=KEEP_S)


class Membership:
    """Joins, beats, and knows which partitions are its own. Two tasks run it: follow and beat."""

    def __init__(
        self, role: StreamRole, stream: str, group: str, *, partitions: int, lease_s: float
    ) -> None:
        self.changed = asyncio.Event()
        """Set when ``owned`` or ``share`` may have changed."""
        self._role = role
        self._clock = role.clock
        self._log = log_of(stream)
        self._group = group
        self._partitions = partitions
        self._lease_s = lease_s
        self._poke = asyncio.Event()
        self._join()

    @property
    def owned(self) -> frozenset[int]:
        """The partitions that are this member's now, and nobody else's."""
        if self._roster.is_gone(self._id) or self._clock.monotonic() >= self._fence:
            return frozenset()
        return self._roster.held_by(self._id) - self._given_up

    @property
    def share(self) -> frozenset[int]:
        """The partitions that this member should have."""
        return self._roster.shares().get(self._id, frozenset())

    @property
    def fence_in_s(self) -> float:
        """For how long ``owned`` holds without another beat."""
        return max(0.0, self._fence - self._clock.monotonic())

    def give_up(self, partition: int) -> None:
        """Leave a partition to whoever should have it."""
        self._given_up.add(partition)
        self._poke.set()

    async def follow(self) -> None:
        """Read the log for ever; rejoin when somebody declared us gone."""
        start = self._history()
        while True:
            reading: Reading[Any] = Reading(
                self._role,
                self._log.name,
                start,
                follow=True,
                prefetch=500,
                read=_nothing,
                distinct=False,
            )
            async with reading:
                is_caught_up = await self._read(reading)
            # Never caught up: the backend's clock is far from ours, so all there is must be read.
            start = self._history() if is_caught_up else EARLIEST
            self._join()
            self._poke.set()

    async def beat(self) -> None:
        """Tell for ever that we are there and what we have; tell who is silent for too long."""
        while True:
            self._poke.clear()
            await self._tell(self._next_beat())
            for member in self._silent():
                await self._tell(self._entry("expire", member, self._roster.number_of(member)))
            await wait_set(self._poke, self._clock, self._lease_s / 4)

    async def leave(self, limit_s: float) -> None:
        """Give everything up at once."""
        async with within(limit_s):
            await self._tell(self._entry("leave", self._id, self._number))

    def _join(self) -> None:
        self._id = new_id()
        self._roster = Roster(self._group, self._partitions)
        self._number = 0
        self._sent_at: dict[int, float] = {}
        self._seen_at: dict[str, float] = {}
        self._last: tuple[frozenset[int], frozenset[int]] | None = None
        self._given_up: set[int] = set()
        self._is_caught_up = False
        self._fence = 0.0

    def _history(self) -> Start:
        if self._role.capabilities.level("seek") is Support.UNSUPPORTED:
            return EARLIEST
        return At(self._clock.time() - 2 * self._lease_s - SKEW_S)

    async def _read(self, reading: Reading[Any]) -> bool:
        """Until we are gone (True), or were not seen within a lease (False)."""
        began = self._clock.monotonic()
        while True:
            for record in await reading.receive_raw(None, self._lease_s / 4):
                self._heard(record)
            if self._roster.is_gone(self._id):
                self.changed.set()
                return True
            if not self._is_caught_up:
                if self._number and self._clock.monotonic() - began > self._lease_s:
                    return False
                continue
            self._given_up &= self._roster.held_by(self._id)
            if self._plan() != self._last:
                self._poke.set()
            self.changed.set()

    def _heard(self, record: Record) -> None:
        entry = decode_entry(record.message.body)
        if entry is None or entry.group != self._group:
            return
        self._roster.apply(entry)
        if entry.kind == "beat":
            self._seen_at[entry.member] = self._clock.monotonic()
            if entry.member == self._id:
                self._is_caught_up = True
                sent_at = self._sent_at.pop(entry.number, None)
                if sent_at is not None:
                    self._fence = max(self._fence, sent_at + FENCE * self._lease_s)
        else:
            self._seen_at.pop(entry.member, None)

    def _plan(self) -> tuple[frozenset[int], frozenset[int]]:
        """What the next beat says that we have, and that we would take."""
        if not self._is_caught_up:
            return frozenset(), frozenset()
        holds = self._roster.held_by(self._id) - self._given_up
        return holds, self.share & self._roster.free()

    def _next_beat(self) -> Entry:
        holds, wants = self._last = self._plan()
        self._number += 1
        now = self._clock.monotonic()
        # Beats whose fate is unknown and that never came back are forgotten.
        self._sent_at = {n: at for n, at in self._sent_at.items() if at > now - self._lease_s}
        self._sent_at[self._number] = now
        return Entry("beat", self._group, self._id, self._number, self._lease_s, holds, wants)

    def _silent(self) -> list[str]:
        """Members who were not heard for as long as they said."""
        now = self._clock.monotonic()
        return [
            member
            for member in self._roster.members
            if member != self._id
            and now - self._seen_at.get(member, now) > self._roster.lease_of(member)
        ]

    def _entry(self, kind: Kind, member: str, number: int) -> Entry:
        return Entry(kind, self._group, member, number)

    async def _tell(self, entry: Entry) -> bool:
        """Append an entry; what is not confirmed is told again with the next beat."""
        message = Message(self._log.name, encode_entry(entry), new_id(), self._clock.time())
        try:
            stream = await self._role.ready()
            (result,) = await stream.append([message], timeout_s=self._lease_s / 2)
        except AnyMQError as error:
            if error.error_class == "fatal":
                raise
            return False
        return isinstance(result, Confirmed)


def _nothing(message: Message) -> None:
    """Entries are read as they stand."""


async def wait_set(event: asyncio.Event, clock: Clock, limit_s: float) -> None:
    """Until the event is set, or so long by this clock."""
    timer = clock.call_later(limit_s, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
