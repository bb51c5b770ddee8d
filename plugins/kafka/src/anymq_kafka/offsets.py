"""Offsets seen from outside of a group: ends of partitions, and what groups have committed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin._listoffsets import OffsetSpec, TimestampSpec

from anymq.errors import BackendUnavailable
from anymq_kafka.admin import Admin
from anymq_kafka.client_config import ClientConfig
from anymq_kafka.directory import answer
from anymq_kafka.errors import error_of
from anymq_kafka.group_visit import GroupVisit
from anymq_kafka.settling_down import patiently

__all__ = ["FIRST", "LAST", "GroupOffsets", "Partition", "at_time"]

FIRST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the library's gap
LAST = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library's gap

Partition = tuple[str, int]
"""Physical topic and partition number."""

T = TypeVar("T")
_VISITS = 8
"""At once: each is a client with threads and connections of its own, for a moment."""


def at_time(moment: float) -> OffsetSpec:
    """The first record at this moment (epoch seconds) or later; offset -1 if there is none."""
    return TimestampSpec(math.ceil(round(moment * 1000, 3)))


class GroupOffsets:
    """Every call is bounded by its ``timeout_s`` and raises BackendUnavailable, AccessDenied."""

    def __init__(self, admin: Admin, config: ClientConfig) -> None:
        self._admin = admin
        self._config = config
        self._visits = asyncio.Semaphore(_VISITS)

    async def ends(
        self, partitions: Iterable[Partition], spec: OffsetSpec, *, timeout_s: float
    ) -> dict[Partition, int]:
        """The offset that ``spec`` (earliest, latest, a timestamp) means in each partition."""
        wanted = {TopicPartition(*partition): spec for partition in partitions}
        if not wanted:
            return {}
        return await patiently(
            lambda: self._ask(wanted, timeout_s), "offsets of partitions", timeout_s=timeout_s
        )

    async def committed(
        self, group_id: str, partitions: Iterable[Partition], *, timeout_s: float
    ) -> dict[Partition, int]:
        """What a group has committed of these; those without a commit are left out."""
        wanted = [TopicPartition(*at) for at in partitions]
        found = await self._visit(group_id, lambda visit: visit.committed(wanted), timeout_s)
        return {(at.topic, at.partition): at.offset for at in found if at.offset >= 0}

    async def commit(
        self, group_id: str, offsets: Mapping[Partition, int], *, timeout_s: float
    ) -> bool:
        """Set offsets of a group without members; False if it has some, and nothing is changed."""
        wanted = [TopicPartition(*at, offset) for at, offset in offsets.items()]
        return await self._visit(group_id, lambda visit: visit.commit(wanted), timeout_s)

    async def start(
        self, group_id: str, topic: str, partitions: Iterable[Partition], *, timeout_s: float
    ) -> None:
        """Begin a group at the end of ``topic`` and the beginning of its other partitions.

        What it has committed stays as it is.
        """
        wanted = list(partitions)
        main = [at for at in wanted if at[0] == topic]
        ends = await self.ends(main, LAST, timeout_s=timeout_s)
        firsts = await self.ends(wanted, FIRST, timeout_s=timeout_s)
        await self._visit(group_id, lambda visit: visit.start(topic, firsts, ends), timeout_s)

    async def _ask(
        self, wanted: dict[TopicPartition, OffsetSpec], timeout_s: float
    ) -> dict[Partition, int]:
        futures = self._admin.api.list_offsets(wanted, request_timeout=timeout_s)
        return {
            (at.topic, at.partition): (
                await answer(future, f"offsets of {at.topic!r}", timeout_s=timeout_s)
            ).offset
            for at, future in futures.items()
        }

    async def _visit(self, group_id: str, call: Callable[[GroupVisit], T], timeout_s: float) -> T:
        what = f"offsets of group {group_id!r}"
        async with self._visits:
            return await patiently(
                lambda: self._visit_once(group_id, call, what, timeout_s), what, timeout_s=timeout_s
            )

    async def _visit_once(
        self, group_id: str, call: Callable[[GroupVisit], T], what: str, timeout_s: float
    ) -> T:
        """With a consumer of its own each time: an old one may not look for a new coordinator."""
        properties = self._config.consumer(group_id, 1)

        def visit() -> T:
            consumer = Consumer(properties)
            try:
                return call(GroupVisit(consumer, timeout_s=timeout_s))
            finally:
                consumer.close()

        try:
            return await self._admin.in_thread(visit, timeout_s=timeout_s)
        except KafkaException as error:
            raise error_of(error, what) from error
        except TimeoutError as error:
            raise BackendUnavailable(f"{what}: {error}") from error
