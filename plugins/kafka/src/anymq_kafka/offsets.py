"""Offsets seen from outside of a group: ends of partitions, and what groups have committed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

from confluent_kafka import (
    OFFSET_INVALID,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin._listoffsets import OffsetSpec, TimestampSpec

from anymq.errors import AnyMQError, BackendUnavailable
from anymq_kafka.admin import Admin
from anymq_kafka.directory import answer
from anymq_kafka.errors import error_of

__all__ = ["FIRST", "LAST", "GroupOffsets", "Partition", "at_time"]

FIRST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the library's gap
LAST = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library's gap

Partition = tuple[str, int]
"""Physical topic and partition number."""

T = TypeVar("T")
_PAUSE_S = 0.1
_SETTLING_DOWN = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
    }
)
"""What a cluster answers for a moment after a topic was made or a node started."""
_IN_USE = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.NON_EMPTY_GROUP,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
    }
)


def at_time(moment: float) -> OffsetSpec:
    """The first record at this moment (epoch seconds) or later; offset -1 if there is none."""
    return TimestampSpec(math.ceil(round(moment * 1000, 3)))


class GroupOffsets:
    """Reads and writes offsets by the admin client. Every call is bounded by its ``timeout_s``."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    async def ends(
        self, partitions: Iterable[Partition], spec: OffsetSpec, *, timeout_s: float
    ) -> dict[Partition, int]:
        """The offset that ``spec`` (earliest, latest, a timestamp) means in each partition."""
        wanted = {TopicPartition(*partition): spec for partition in partitions}
        if not wanted:
            return {}

        async def ask() -> dict[Partition, int]:
            futures = self._admin.api.list_offsets(wanted, request_timeout=timeout_s)
            return {
                (at.topic, at.partition): (
                    await answer(future, f"offsets of {at.topic!r}", timeout_s=timeout_s)
                ).offset
                for at, future in futures.items()
            }

        return await _patiently(ask, timeout_s)

    async def committed(self, group_id: str, *, timeout_s: float) -> dict[Partition, int]:
        """What a group has committed; nothing for a group that does not exist."""

        async def ask() -> dict[Partition, int]:
            futures = self._admin.api.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group_id)], request_timeout=timeout_s
            )
            found = await answer(
                futures[group_id], f"offsets of group {group_id!r}", timeout_s=timeout_s
            )
            return {
                (at.topic, at.partition): at.offset
                for at in found.topic_partitions or ()
                if at.offset != OFFSET_INVALID
            }

        return await _patiently(ask, timeout_s)

    async def commit(
        self, group_id: str, offsets: Mapping[Partition, int], *, timeout_s: float
    ) -> bool:
        """Set offsets of a group without members; False if it has some, and nothing is changed."""
        wanted = [TopicPartition(*at, offset) for at, offset in offsets.items()]
        if not wanted:
            return True

        async def ask() -> bool:
            futures = self._admin.api.alter_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group_id, wanted)], request_timeout=timeout_s
            )
            what = f"commit of group {group_id!r}"
            found = await answer(futures[group_id], what, timeout_s=timeout_s)
            errors = [at.error for at in found.topic_partitions or () if at.error is not None]
            if any(error.code() in _IN_USE for error in errors):
                return False
            if errors:
                raise error_of(errors[0], what) from KafkaException(errors[0])
            return True

        return await _patiently(ask, timeout_s)


async def _patiently(ask: Callable[[], Awaitable[T]], timeout_s: float) -> T:
    """Ask again while the cluster settles down."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await ask()
                except AnyMQError as error:
                    if not _is_settling_down(error):
                        raise
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError as error:
        raise BackendUnavailable(f"no answer in {timeout_s} s") from error


def _is_settling_down(error: AnyMQError) -> bool:
    cause = error.__cause__
    return isinstance(cause, KafkaException) and cause.args[0].code() in _SETTLING_DOWN
