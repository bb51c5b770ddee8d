"""What the cluster says of consumer groups: which there are, who is in them, how far they are."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException

from anymq.errors import AnyMQError, Busy
from anymq_kafka.admin import Admin
from anymq_kafka.directory import answer
from anymq_kafka.errors import error_of, is_missing
from anymq_kafka.settling_down import patiently

__all__ = ["GroupAdmin"]

_LOOK_S = 1.0
_SETTLED = (ConsumerGroupState.STABLE, ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD)


class GroupAdmin:
    """Every call is bounded by ``timeout_s`` and raises BackendUnavailable, AccessDenied."""

    def __init__(self, admin: Admin, *, timeout_s: float) -> None:
        self._admin = admin
        self._timeout_s = timeout_s

    async def ids(self) -> list[str]:
        """Every group of the cluster."""
        return await patiently(self._list, "list groups", timeout_s=self._timeout_s)

    async def members(self, group_ids: Sequence[str]) -> dict[str, int]:
        """How many members each group has; 0 for groups that do not exist."""
        if not group_ids:
            return {}
        futures = self._admin.api.describe_consumer_groups(
            list(group_ids), request_timeout=self._timeout_s
        )
        found: dict[str, int] = {}
        for group_id, future in futures.items():
            try:
                described = await answer(
                    future, f"describe group {group_id!r}", timeout_s=self._timeout_s
                )
            except AnyMQError as error:
                if not _is_missing(error):
                    raise
                found[group_id] = 0
            else:
                found[group_id] = len(described.members or ())
        return found

    async def _list(self) -> list[str]:
        future = self._admin.api.list_consumer_groups(request_timeout=self._timeout_s)
        found = await answer(future, "list groups", timeout_s=self._timeout_s)
        for error in found.errors or ():
            raise error_of(error, "list groups") from _as_exception(error)
        return [listing.group_id for listing in found.valid or ()]

    async def owned_partitions(self, group_id: str) -> int:
        """How many partitions have an owner; 0 while the group rebalances."""
        future = self._admin.api.describe_consumer_groups(
            [group_id], request_timeout=self._timeout_s
        )[group_id]
        found = await answer(future, f"describe group {group_id!r}", timeout_s=self._timeout_s)
        if found.state is not ConsumerGroupState.STABLE:
            return 0
        assignments = (member.assignment for member in found.members or ())
        return sum(len(owned.topic_partitions) for owned in assignments if owned is not None)

    def is_settled(self, group_id: str) -> bool:
        """Whether nobody is joining it or about to: every member knows what is its own.

        Blocks, for a second at most; for any thread. True as well where the cluster cannot tell.
        """
        try:
            futures = self._admin.api.describe_consumer_groups([group_id], request_timeout=_LOOK_S)
            return futures[group_id].result(_LOOK_S).state in _SETTLED
        except (KafkaException, TimeoutError):
            return True

    async def require_empty(self, group_id: str) -> None:
        """Raise Busy while a group has members."""
        count = (await self.members([group_id]))[group_id]
        if count:
            raise Busy(f"group {group_id!r} has {count} member(s)")

    async def delete(self, group_id: str) -> None:
        """Delete a group with its commits; no error if there is none."""
        futures = self._admin.api.delete_consumer_groups(
            [group_id], request_timeout=self._timeout_s
        )
        try:
            await answer(futures[group_id], f"delete group {group_id!r}", timeout_s=self._timeout_s)
        except AnyMQError as error:
            if not _is_missing(error):
                raise

    async def delete_topics(self, topics: Sequence[str]) -> None:
        """Delete topics; no error for those that do not exist."""
        futures = self._admin.api.delete_topics(
            list(topics), operation_timeout=self._timeout_s, request_timeout=self._timeout_s
        )
        for name, future in futures.items():
            try:
                await answer(future, f"delete topic {name!r}", timeout_s=self._timeout_s)
            except AnyMQError as error:
                if not _is_missing(error):
                    raise


def _as_exception(error: KafkaError | KafkaException) -> KafkaException:
    return error if isinstance(error, KafkaException) else KafkaException(error)


def _is_missing(error: AnyMQError) -> bool:
    cause = error.__cause__
    return isinstance(cause, KafkaException) and is_missing(cause.args[0])
