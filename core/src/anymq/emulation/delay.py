"""Delays for backends without them: a ladder of topics, one per length of stay.

A message stays in its bucket's topic for the bucket's time, then moves to the largest bucket that
is not longer than what remains; the last part of a second the mover waits itself. Its address and
due moment travel in ``anymq-to-*`` and ``anymq-due-at``.
"""

from __future__ import annotations

from dataclasses import replace

from anymq.message import Lane, Message
from anymq.support.clock import Clock
from anymq.support.delay_ladder import DelayLadder
from anymq.topology import RESERVED_PREFIX, GroupSpec, TopicSpec, Topology

__all__ = [
    "BUCKETS_S",
    "MOVER_GROUP",
    "DelayRoute",
    "due_at",
    "enter",
    "ladder",
    "ladder_topic",
    "leave",
    "move",
    "ready_at",
]

BUCKETS_S = (1, 5, 30, 120, 600, 3600, 21600, 86400)
"""Chosen so that any delay up to a day takes a handful of moves."""
LADDER = DelayLadder(BUCKETS_S)
MOVER_GROUP = "mover"

_HOP = "anymq-hop"
_TO = "anymq-to-topic"
_TO_GROUP = "anymq-to-group"
_TO_LANE = "anymq-to-lane"
_TO_ID = "anymq-to-id"
_TO_PARTITION = "anymq-to-partition"
_DUE = "anymq-due-at"
_ENTERED = "anymq-entered-at"
_OWN = (_HOP, _TO, _TO_GROUP, _TO_LANE, _TO_ID, _TO_PARTITION, _DUE, _ENTERED)


def ladder_topic(bucket_s: int) -> str:
    """The topic of one bucket."""
    return f"{RESERVED_PREFIX}delay.{bucket_s}"


def ladder() -> Topology:
    """The topics and groups of the whole ladder."""
    names = [ladder_topic(bucket) for bucket in BUCKETS_S]
    return Topology(
        tuple(TopicSpec(name) for name in names),
        tuple(GroupSpec(name, MOVER_GROUP) for name in names),
    )


class DelayRoute:
    """Where a message that must wait goes: ``due_at`` if the plugin has it, else the ladder."""

    def __init__(self, handles: frozenset[str], clock: Clock) -> None:
        self.is_native = "due_at" in handles
        self._clock = clock

    def delayed(self, message: Message, due_at: float) -> Message:
        """A copy that reaches the message's address at ``due_at`` (epoch seconds)."""
        if self.is_native:
            return replace(message, due_at=due_at)
        return enter(message, due_at, self._clock.time())


def enter(message: Message, due_at: float, now: float) -> Message:
    """Put a message on the ladder at ``now``."""
    meta = dict(message.meta)
    meta[_TO] = message.topic
    meta[_TO_LANE] = message.lane
    meta[_TO_ID] = message.id
    meta[_DUE] = repr(due_at)
    if message.partition:
        meta[_TO_PARTITION] = str(message.partition)
    if message.group is not None:
        meta[_TO_GROUP] = message.group
    return _step(replace(message, group=None, lane="main", due_at=None, meta=meta), now, hop=1)


def ready_at(message: Message, bucket_s: int) -> float:
    """When a message in a bucket may move on: its stay is over, or it is due."""
    entered = float(message.meta.get(_ENTERED, message.timestamp))
    return min(entered + bucket_s, float(message.meta.get(_DUE, "0")))


def due_at(message: Message) -> float:
    """The moment a message on the ladder is for."""
    return float(message.meta.get(_DUE, "0"))


def move(message: Message, now: float) -> Message:
    """The next step at ``now``: a lower bucket, or (less than a second remains) its address."""
    if due_at(message) - now >= BUCKETS_S[0]:
        return _step(message, now, hop=int(message.meta.get(_HOP, "0")) + 1)
    return leave(message)


def leave(message: Message) -> Message:
    """The message as it was, at its own address."""
    meta = {name: value for name, value in message.meta.items() if name not in _OWN}
    lane: Lane = "retry" if message.meta.get(_TO_LANE) == "retry" else "main"
    return replace(
        message,
        topic=message.meta.get(_TO, message.topic),
        id=message.meta.get(_TO_ID, message.id),
        group=message.meta.get(_TO_GROUP),
        partition=int(message.meta.get(_TO_PARTITION, "0")),
        lane=lane,
        meta=meta,
    )


def _step(message: Message, now: float, *, hop: int) -> Message:
    rest = float(message.meta[_DUE]) - now
    bucket = LADDER.next_stay_s(rest) or BUCKETS_S[0]
    meta = {**message.meta, _ENTERED: repr(now), _HOP: str(hop)}
    # A backend that drops repeated ids must not take the second stay in a bucket for the first.
    return replace(
        message, topic=ladder_topic(bucket), id=f"{meta[_TO_ID]}/{hop}", partition=0, meta=meta
    )
