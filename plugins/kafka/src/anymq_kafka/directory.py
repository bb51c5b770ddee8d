"""Which topics exist: what was seen is remembered, what is unknown is asked for once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin._topic import TopicDescription

from anymq.errors import BackendUnavailable
from anymq_kafka.admin import Admin
from anymq_kafka.errors import error_of, is_missing

__all__ = ["TopicDirectory", "answer"]

T = TypeVar("T")
_OVER_S = 0.5
"""The library ends a request at its limit; this much later we end it ourselves."""


async def answer(future: Future[T], what: str, *, timeout_s: float) -> T:
    """Await one answer of the admin client. Raises our error for what the client raised."""
    waiting: Awaitable[T] = asyncio.wrap_future(future)
    try:
        async with asyncio.timeout(timeout_s + _OVER_S):
            return await waiting
    except TimeoutError as error:
        raise BackendUnavailable(f"{what}: no answer in {timeout_s} s") from error
    except KafkaException as error:
        raise error_of(error, what) from error


class TopicDirectory:
    """Partition counts of topics by physical name. Only what exists is remembered.

    A topic that is deleted while it is remembered is told by its producer and forgotten then.
    """

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._partitions: dict[str, int] = {}

    @property
    def known(self) -> Mapping[str, int]:
        """What was seen so far."""
        return self._partitions

    def forget(self, topic: str) -> None:
        """Ask the next time."""
        self._partitions.pop(topic, None)

    def forget_all(self) -> None:
        """Ask about every topic the next time."""
        self._partitions.clear()

    async def everything(self, *, timeout_s: float) -> dict[str, int]:
        """Partition counts of all topics of the cluster.

        Raises: BackendUnavailable, AccessDenied.
        """
        try:
            found = await self._admin.in_thread(
                lambda: self._admin.api.list_topics(timeout=timeout_s),
                timeout_s=timeout_s + _OVER_S,
            )
        except KafkaException as error:
            raise error_of(error, "list topics") from error
        except TimeoutError as error:
            raise BackendUnavailable(f"list topics: {error}") from error
        self._partitions = {name: len(topic.partitions) for name, topic in found.topics.items()}
        return dict(self._partitions)

    async def missing(self, topics: Iterable[str], *, timeout_s: float) -> set[str]:
        """Which of these topics do not exist; asks about those not seen yet, in one request."""
        unseen = {topic for topic in topics if topic not in self._partitions}
        if not unseen:
            return set()
        return unseen - (await self.describe(unseen, timeout_s=timeout_s)).keys()

    async def describe(
        self, topics: Iterable[str], *, timeout_s: float
    ) -> dict[str, TopicDescription]:
        """What the cluster says of topics now; those that do not exist are left out.

        Raises: BackendUnavailable, AccessDenied.
        """
        names = sorted(set(topics))
        if not names:
            return {}
        futures = self._admin.api.describe_topics(TopicCollection(names), request_timeout=timeout_s)
        found: dict[str, TopicDescription] = {}
        for name, future in futures.items():
            self._partitions.pop(name, None)
            description = await _unless_missing(future, name, timeout_s)
            if description is not None:
                found[name] = description
                self._partitions[name] = len(description.partitions)
        return found


async def _unless_missing(
    future: Future[TopicDescription], name: str, timeout_s: float
) -> TopicDescription | None:
    try:
        return await answer(future, f"describe topic {name!r}", timeout_s=timeout_s)
    except Exception as error:
        cause = error.__cause__
        if isinstance(cause, KafkaException) and is_missing(cause.args[0]):
            return None
        raise
