"""Crew: everything that a process runs to serve jobs: one consumer, threads, processes, an ear."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from anymq.abc.task_runner import WorkerOptions
from anymq.errors import AnyMQError
from anymq.message import Delivery, Message
from anymq.middleware.chain import Middleware, chain
from anymq.outcome import Outcome
from anymq.pipeline.context import Context
from anymq.pipeline.scope import DeliveryScope
from anymq.portable.plan import ErrorHook, SubscriberPlan
from anymq.tasks.calls import make_call
from anymq.tasks.envelope import read_order
from anymq.tasks.inbox import Inbox
from anymq.tasks.pool import ProcessPool
from anymq.tasks.queues import CONTROL_TOPIC, GROUP, queue_topic
from anymq.tasks.runs import Runs
from anymq.tasks.worker import Worker, policy_of
from anymq.topology import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anymq.runtime.engine import Engine
    from anymq.tasks.ledger import Ledger
    from anymq.tasks.replies import Replies
    from anymq.tasks.spec import TaskSpec

__all__ = ["CONSUMER", "Crew"]

CONSUMER = "anymq-worker"
"""The consumer's name, beside those of subscribers."""
CHECK_EVERY_S = 5.0


class Crew:
    """Made at start, closed with the application."""

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        replies: Replies,
        *,
        context: Context[Any],
        specs: Mapping[str, TaskSpec],
        options: WorkerOptions,
        unwrap: Callable[[Message], Message] | None,
    ) -> None:
        self._engine = engine
        self._runs = Runs(ledger, engine.spawn)
        self._options = options
        self._threads = ThreadPoolExecutor(options.concurrency, thread_name_prefix="anymq-task")
        needs_main = any(spec.app_path.startswith("__main__:") for spec in specs.values())
        self.pool = ProcessPool(
            min(options.concurrency, os.cpu_count() or 1), needs_main=needs_main
        )
        calls = {
            name: make_call(spec, context, self._threads, self.pool)
            for name, spec in specs.items()
            if spec.function is not None
        }
        self._worker = Worker(
            specs, calls, ledger, replies, self._runs, engine.clock, unwrap=unwrap
        )
        self._control = Inbox(engine.broker, CONTROL_TOPIC, self._heard, engine.spawn)

    async def start(
        self,
        *,
        middleware: Sequence[Middleware],
        error_hooks: Sequence[ErrorHook],
        publish: Callable[..., Awaitable[str]],
    ) -> SubscriberPlan:
        """Listen for orders; the plan of the consumer that the engine then starts."""
        await self._control.open()
        self._engine.spawn(self._check())
        concurrency = self._options.concurrency
        return SubscriberPlan(
            name=CONSUMER,
            source=Source(tuple(map(queue_topic, self._options.queues)), GROUP),
            call=self._compile(middleware, publish),
            concurrency=concurrency,
            # No more than can run: a waiting job is another worker's to take.
            prefetch=concurrency,
            error_hooks=error_hooks,
            policy=policy_of,
            on_crash_loop=self._died,
        )

    async def aclose(self) -> None:
        """End threads and processes. Bounded."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self.pool.aclose()

    def _compile(
        self, middleware: Sequence[Middleware], publish: Callable[..., Awaitable[str]]
    ) -> Callable[[Delivery], Awaitable[Outcome]]:
        inner = chain(middleware, self._worker.work)
        assign = self._worker.assign

        async def call(delivery: Delivery) -> Outcome:
            delivery.start_attempt(DeliveryScope(delivery, publish, None))
            delivery.value = None
            delivery.value = await assign(delivery)
            return await inner(delivery)

        return call

    def _heard(self, delivery: Delivery) -> None:
        self._runs.revoke(read_order(delivery.body).revoke)

    async def _check(self) -> None:
        while True:
            await self._engine.clock.sleep(CHECK_EVERY_S)
            await self._runs.check()

    def _died(self, delivery: Delivery) -> None:
        self._engine.spawn(self._note_death(delivery))

    async def _note_death(self, delivery: Delivery) -> None:
        for delay_s in (0.0, 0.5, 2.0, 10.0):
            await asyncio.sleep(delay_s)
            try:
                await self._worker.died(delivery, "crash_loop")
            except AnyMQError:
                continue
            return
