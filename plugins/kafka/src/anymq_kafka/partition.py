"""One partition while it is ours: what of it was handed out, settled and committed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from confluent_kafka import TopicPartition

from anymq.message import Delivery, Lane
from anymq.support.contiguous_prefix import ContiguousPrefix
from anymq_kafka.commit_note import CommitNote

__all__ = ["OwnedPartition"]

_MOST_NAMED = 100
"""Offsets that a commit names one by one: its metadata are limited."""


class OwnedPartition:
    """Lives from an assignment to its end; deliveries hold it as part of their token.

    ``in_hand`` and ``released`` are the loop's; all else is written by the consumer's thread.
    """

    __slots__ = (
        "_is_known",
        "_note",
        "_plain_from",
        "_start",
        "_suspected",
        "_suspects",
        "_suspects_end",
        "_tried",
        "_window",
        "in_hand",
        "is_dirty",
        "is_exact",
        "is_owned",
        "lane",
        "number",
        "physical",
        "prefix",
        "released",
        "takeovers",
        "topic",
    )

    def __init__(
        self,
        physical: str,
        number: int,
        lane: Lane,
        *,
        topic: str = "",
        position: int | None = 0,
        note: CommitNote = CommitNote(),  # noqa: B008  # frozen
        end: int = 0,
        window: int = 0,
    ) -> None:
        """``topic``: the logical one. ``position`` and ``note`` as committed, ``end`` of the log.

        ``position`` is None while it is not known; at most ``window`` records may be out without a
        commit that says so.
        """
        self.physical = physical
        self.number = number
        self.lane = lane
        self.topic = topic
        self.prefix = ContiguousPrefix(position or 0)
        self.is_owned = True
        self.in_hand: dict[int, Delivery] = {}
        is_suspect = note.window > 0 and end > self.prefix.position
        taken_over = note.takeovers + (0 if note.is_orderly else 1)
        self.takeovers = taken_over if is_suspect else 0
        self._suspects = note.window if is_suspect else 0
        self._suspected = frozenset(note.out)
        self.is_exact = False
        self._suspects_end = end
        self._tried: set[int] = set()
        self.released: set[int] = set()
        self._note = note
        self._plain_from = max(note.reach, end if is_suspect else 0)
        self._start = self.prefix.position
        self._is_known = position is not None
        self._window = window
        self.is_dirty = is_suspect or note.window != window

    @property
    def can_commit(self) -> bool:
        """Whether its position is known; committing a guess could move the group back."""
        return self._is_known or self.prefix.next > 0

    def see(self, offset: int) -> int:
        """Note a record; its count of deliveries, or 0 if it is not to be handed out again."""
        if not self.prefix.see(offset):
            return 0
        if offset >= self._plain_from:
            return 1
        if self._note.is_settled(offset):
            self.prefix.settle(offset)
            return 0
        if self._suspects and offset < self._suspects_end and self._is_suspect(offset):
            self._suspects -= 1
            self._tried.add(offset)
            return self.takeovers + 1
        return 1

    def settle(self, offsets: Iterable[int]) -> bool:
        """Note that deliveries in hand are done; False if they are not ours to settle.

        One that is done already waits for its commit, as it did when nobody answered in time.
        """
        if not self.is_owned:
            return False
        settle = self.prefix.settle
        for offset in offsets:
            if settle(offset):
                self.is_dirty = True
        return True

    def _is_suspect(self, offset: int) -> bool:
        return not self._suspected or offset in self._suspected

    def tighten(self) -> None:
        """Have the next commit name what is out, so that a crash charges nothing that was given
        back. Only after crashes: while it holds, what is handed out has to be committed again.
        """
        if self.takeovers and (not self._suspects or self.prefix.next >= self._suspects_end):
            self.is_exact = True
            self.is_dirty = True

    def loosen(self) -> None:
        """More is handed out than the last commit named."""
        self.is_exact = False
        self.is_dirty = True

    def resume_at(self, first: int, end: int) -> tuple[int, int]:
        """The log goes from ``first`` to ``end``, and what was to be read next is not in it.

        Where to go on, and how many records were deleted unread.
        """
        lost = max(first - self.prefix.next, 0) if self._is_known else 0
        if self.prefix.next > end:  # the log was cut at its end: what comes takes old offsets
            self.prefix = ContiguousPrefix(end)
            self._start = end
            self._note = CommitNote()
            self._plain_from = 0
        else:  # inside of the log nothing is skipped: it was out of reach for a moment
            self.prefix.skip_to(first)
        self.is_dirty = True
        return max(first, self.prefix.next), lost

    def drop_waiting(self, end: int) -> int:
        """Settle what is before ``end`` and not in hand; how many records that were."""
        waiting = self.prefix.holes(end)
        dropped = [offset for offset in waiting if offset not in self.in_hand]
        count = len(dropped) + max(end - self.prefix.next, 0)
        for offset in dropped:
            self.prefix.settle(offset)
        self.prefix.skip_to(end)
        self.is_dirty = True
        return count

    def was_out(self, offset: int) -> bool:
        """Whether a record may have been handed out before, here or by another owner."""
        return offset in self._tried or offset in self.released

    def commit(self) -> TopicPartition:
        """What to commit now, as a crash a moment later should find it."""
        if self.is_exact:
            out = sorted(offset for offset in list(self.in_hand) if offset in self.prefix)
            if len(out) <= _MOST_NAMED:
                return self._commit(len(out), is_orderly=False, out=out)
        return self._commit(max(self._window, self._suspects), is_orderly=False)

    def leave(self, in_hand: Iterable[int]) -> TopicPartition:
        """What to commit on an orderly end, with exactly the deliveries that are or were out."""
        handed = {*in_hand, *self._tried, *list(self.released)}
        out = {offset for offset in handed if offset in self.prefix}
        unseen = self._suspects if self.prefix.next < self._suspects_end else 0
        return self._commit(len(out) + unseen, is_orderly=True)

    def _commit(self, window: int, *, is_orderly: bool, out: Sequence[int] = ()) -> TopicPartition:
        position = self.prefix.position
        reach = max(self.prefix.reach, self._note.reach)
        not_seen_yet = [hole for hole in self._note.holes if hole >= self.prefix.next]
        note = CommitNote(
            takeovers=self.takeovers if window and position == self._start else 0,
            window=window,
            is_orderly=is_orderly and window > 0,
            reach=reach,
            holes=(*self.prefix.holes(reach), *not_seen_yet),
            out=tuple(out),
        )
        return TopicPartition(self.physical, self.number, position, metadata=note.encode(position))
