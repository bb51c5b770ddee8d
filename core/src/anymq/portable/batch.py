"""Runs a batch handler: gathers deliveries, calls once, and gives every member its own outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anymq.errors import BatchFailed, DecodeError
from anymq.events import AppEvent
from anymq.message import Delivery
from anymq.outcome import ACK, Outcome
from anymq.pipeline.handler import outcome_of
from anymq.pipeline.scope import DeliveryScope
from anymq.portable.buffer import Buffer
from anymq.portable.plan import BatchPlan, SubscriberPlan
from anymq.portable.resolver import Resolver

if TYPE_CHECKING:
    from anymq.portable.slots import Slot

__all__ = ["BatchRunner"]


class BatchRunner:
    """1 to ``size`` messages, waiting at most ``wait_s``; what failed before comes singly."""

    def __init__(
        self,
        plan: SubscriberPlan,
        resolver: Resolver,
        buffer: Buffer,
        tell: Callable[[AppEvent], None],
    ) -> None:
        if plan.batch is None:
            raise ValueError("the plan has no batch handler")
        self._batch: BatchPlan = plan.batch
        self._resolver = resolver
        self._buffer = buffer

    async def run(self, slot: Slot, delivery: Delivery) -> None:
        if delivery.attempt == 1:
            await self._gather(slot)
        members, values = await self._decode(slot)
        if not members:
            return
        try:
            async with asyncio.timeout(self._batch.timeout_s):
                result = await self._batch.call(values, members)
            for member in members:
                await _finish(member)
            outcomes = _outcomes(result, len(members))
        except BatchFailed as error:
            slot.check_cancelled(error)
            await self._some_failed(members, error)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything; all members failed
            slot.check_cancelled(error)
            for member in members:
                await self._failed(member, error)
        else:
            for member, outcome in zip(members, outcomes, strict=True):
                await self._resolver.returned(member, outcome)

    async def _gather(self, slot: Slot) -> None:
        """Add what is ready, and wait for more while there is time. One that failed ends it."""
        clock = self._buffer.clock
        until = clock.monotonic() + self._batch.wait_s
        ready, members = self._buffer.ready, slot.deliveries
        while len(members) < self._batch.size:
            if ready:
                if ready[0].attempt > 1:
                    return
                members.append(ready.popleft())
                continue
            rest = until - clock.monotonic()
            if rest <= 0:
                return
            await self._buffer.wait(rest)

    async def _decode(self, slot: Slot) -> tuple[list[Delivery], list[Any]]:
        members: list[Delivery] = []
        values: list[Any] = []
        unwrap, scope = self._batch.unwrap, self._batch.scope
        for delivery in slot.deliveries:
            delivery.start_attempt(None if scope is None else scope(delivery))
            try:
                message = delivery.message if unwrap is None else unwrap(delivery)
                delivery.value = self._batch.decode(message)
                values.append(delivery.value)
            except DecodeError as error:
                await self._resolver.failed(delivery, error)
            else:
                members.append(delivery)
        slot.deliveries[:] = members
        return members, values

    async def _some_failed(self, members: list[Delivery], error: BatchFailed) -> None:
        for index, member in enumerate(members):
            problem = error.failures.get(index)
            if problem is None:
                self._resolver.settle(member, ACK)
            else:
                failure = problem if isinstance(problem, Exception) else RuntimeError(str(problem))
                await self._failed(member, failure)

    async def _failed(self, member: Delivery, error: Exception) -> None:
        again = await self._resolver.failed(member, error)
        if again is not None:
            self._buffer.put_first(again)


async def _finish(member: Delivery) -> None:
    """Wait for what the handler published for this member and did not await."""
    if isinstance(member.scope, DeliveryScope):
        await member.scope.finish()


def _outcomes(result: Any, count: int) -> list[Outcome]:
    if result is None:
        return [ACK] * count
    if not isinstance(result, list) or len(result) != count:
        size = len(result) if isinstance(result, list) else type(result).__name__
        raise TypeError(
            f"a batch handler returns None or a list of {count} outcomes (one per message),"
            f" not {size}"
        )
    return [outcome_of(item) for item in result]
