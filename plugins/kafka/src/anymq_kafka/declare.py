"""Making and checking topics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin._topic import TopicDescription
from confluent_kafka.cimpl import NewPartitions, NewTopic

from anymq.errors import AnyMQError, BackendUnavailable, TopologyError
from anymq_kafka.admin import Admin
from anymq_kafka.directory import TopicDirectory, answer

__all__ = ["TopicMaker", "TopicPlan"]

_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """One physical topic as it should be."""

    name: str
    partitions: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


class TopicMaker:
    """Makes and checks topics."""

    def __init__(self, admin: Admin, directory: TopicDirectory, *, replication_factor: int) -> None:
        self._admin = admin
        self._directory = directory
        self._replication_factor = replication_factor

    async def differences(self, plans: Iterable[TopicPlan], *, timeout_s: float) -> list[str]:
        """What is not as planned, for people; empty if all is well."""
        found: list[str] = []
        wanted = list(plans)
        there = await self._directory.describe((p.name for p in wanted), timeout_s=timeout_s)
        for plan in wanted:
            if plan.name not in there:
                found.append(f"topic {plan.name!r} does not exist")
            elif (count := len(there[plan.name].partitions)) != plan.partitions:
                found.append(f"topic {plan.name!r} has {count} partitions, not {plan.partitions}")
        return found

    async def make(self, plans: Iterable[TopicPlan], *, timeout_s: float) -> set[str]:
        """Create what is missing and return its names once the cluster serves it.

        Raises TopologyError where an existing topic has another number of partitions.
        """
        wanted = {plan.name: plan for plan in plans}
        there = await self._directory.describe(wanted, timeout_s=timeout_s)
        missing = [plan for name, plan in wanted.items() if name not in there]
        await self._create(missing, timeout_s)
        await self._served({plan.name: plan.partitions for plan in missing}, timeout_s)
        different = await self.differences(wanted.values(), timeout_s=timeout_s)
        if different:
            raise TopologyError("; ".join(different))
        return {plan.name for plan in missing}

    async def grow(self, name: str, partitions: int, *, timeout_s: float) -> None:
        """Add partitions to a topic."""
        futures = self._admin.api.create_partitions(
            [NewPartitions(name, partitions)], request_timeout=timeout_s
        )
        await answer(futures[name], f"add partitions to {name!r}", timeout_s=timeout_s)
        await self._served({name: partitions}, timeout_s)

    async def _create(self, plans: Iterable[TopicPlan], timeout_s: float) -> None:
        topics = [
            NewTopic(
                plan.name,
                num_partitions=plan.partitions,
                replication_factor=self._replication_factor,
                config=dict(plan.config),
            )
            for plan in plans
        ]
        if not topics:
            return
        for name, future in self._admin.api.create_topics(
            topics, operation_timeout=timeout_s, request_timeout=timeout_s
        ).items():
            try:
                await answer(future, f"create topic {name!r}", timeout_s=timeout_s)
            except AnyMQError as error:
                if not _is_there_already(error):
                    raise

    async def _served(self, wanted: dict[str, int], timeout_s: float) -> None:
        """Wait until topics have that many partitions, each with a leader."""
        try:
            async with asyncio.timeout(timeout_s):
                while wanted:
                    there = await self._directory.describe(wanted, timeout_s=timeout_s)
                    wanted = {n: c for n, c in wanted.items() if _leaders(there.get(n)) < c}
                    if wanted:
                        await asyncio.sleep(_PAUSE_S)
        except TimeoutError as error:
            raise BackendUnavailable(f"topics {sorted(wanted)} have no leaders yet") from error


def _leaders(topic: TopicDescription | None) -> int:
    return 0 if topic is None else sum(p.leader is not None for p in topic.partitions)


def _is_there_already(error: AnyMQError) -> bool:
    cause = error.__cause__
    return (
        isinstance(cause, KafkaException)
        and cause.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    )
