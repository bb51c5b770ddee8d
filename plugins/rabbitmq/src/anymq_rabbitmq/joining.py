"""Which kind of subscription a source needs, and all that it is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from anymq.abc import BackendContext
from anymq.abc.broker import OnLost
from anymq.errors import TopologyError
from anymq.topology import Source, is_pattern
from anymq_rabbitmq.addressing import queue_destination
from anymq_rabbitmq.catalog import Catalog
from anymq_rabbitmq.deliveries import decoder
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.groups import GroupFacts, Groups
from anymq_rabbitmq.intake import Consume, Intake
from anymq_rabbitmq.keyed import KeyedSubscription, KeyedTopic
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.members import RollCall
from anymq_rabbitmq.options import RabbitMQOptions
from anymq_rabbitmq.publisher import Publisher
from anymq_rabbitmq.queues import GroupQueues, Inlet, PrivateQueues, Queues
from anymq_rabbitmq.settling import Settler
from anymq_rabbitmq.subscription import RabbitSubscription

__all__ = ["Joining"]


class Joining:
    """Makes subscriptions, unopened."""

    def __init__(
        self,
        options: RabbitMQOptions,
        context: BackendContext,
        link: Link,
        directory: Directory,
        catalog: Catalog,
        groups: Groups,
        publisher: Publisher,
        settler: Settler,
        *,
        repair: Callable[[], Awaitable[bool]],
    ) -> None:
        self._timeout_s = options.request_timeout_s
        self._context = context
        self._link = link
        self._directory = directory
        self._catalog = catalog
        self._groups = groups
        self._publisher = publisher
        self._settler = settler
        self._repair = repair
        self._decode = decoder(context)

    async def subscription(
        self, source: Source, *, prefetch: int, on_lost: OnLost
    ) -> RabbitSubscription | KeyedSubscription:
        """For a group by its declared kind, or an anonymous one. Raises TopologyError."""
        if source.group is None:
            queues: Queues = PrivateQueues(
                source.topics,
                self._context.physical,
                link=self._link,
                directory=self._directory,
                catalog=self._catalog,
                timeout_s=self._timeout_s,
            )
        else:
            facts = [(topic, await self._facts(topic, source.group)) for topic in source.topics]
            kinds = {found.order for _, found in facts}
            if kinds == {"key"}:
                topics = [_keyed_topic(*part, await self._alone(part[1])) for part in facts]
                return self._keyed(topics, source.group, prefetch=prefetch, on_lost=on_lost)
            if "key" in kinds or source.order == "key":
                raise TopologyError(f"group {source.group!r} was not declared with order='key'")
            queues = GroupQueues(
                [(topic, found, await self._alone(found)) for topic, found in facts], source.group
            )
        return RabbitSubscription(
            partial(self._intake, is_consuming=False),
            self._settler,
            queues,
            decode=self._decode,
            prefetch=prefetch,
            on_lost=on_lost,
        )

    def _keyed(
        self,
        topics: list[KeyedTopic],
        group: str,
        *,
        prefetch: int,
        on_lost: OnLost,
    ) -> KeyedSubscription:
        return KeyedSubscription(
            topics,
            group,
            self._intake,
            self._roll_call,
            self._settler,
            self._decode,
            count=self._directory.count,
            prefetch=prefetch,
            on_lost=on_lost,
        )

    async def _facts(self, topic: str, group: str) -> GroupFacts:
        found = await self._groups.find(self._context.physical(topic), group)
        if found is None:
            raise TopologyError(f"group {group!r} of {topic!r} is not declared on RabbitMQ")
        return found

    async def _alone(self, facts: GroupFacts) -> str:
        """None where others made the group's queue, and not this one."""
        return facts.alone if await self._directory.has_queue(facts.alone) else ""

    def _intake(self, consume: Consume, on_gone: Callable[[], None], **changes: object) -> Intake:
        return Intake(
            self._link,
            consume,
            on_gone=on_gone,
            repair=self._repair,
            timeout_s=self._timeout_s,
            **changes,  # type: ignore[arg-type]
        )

    def _roll_call(self, base: str, *, on_change: Callable[..., Awaitable[None]]) -> RollCall:
        return RollCall(
            self._intake,
            self._publisher,
            queue_destination(base),
            came=self._context.clock.time(),
            on_change=on_change,
            timeout_s=self._timeout_s,
        )


def _keyed_topic(topic: str, facts: GroupFacts, alone: str) -> KeyedTopic:
    told = None if is_pattern(topic) else topic
    partitions = [Inlet(queue, told, facts.name, queue, alone) for queue in facts.queues]
    aside = Inlet(alone, told, facts.name, facts.queues[0], alone) if alone else None
    return KeyedTopic(topic, facts.base, partitions, aside)
