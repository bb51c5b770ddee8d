"""Engine: an App's open connection and everything that runs on it, between start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import Context
from typing import TYPE_CHECKING, Any

from anymq.abc import BackendContext, BackendEvent, Broker, Subscription
from anymq.abc.broker import OnLost
from anymq.capabilities import Capabilities
from anymq.declarations import SubscriberSpec
from anymq.emulation.delay import BUCKETS_S, DelayRoute, ladder
from anymq.emulation.outcomes import Emulation
from anymq.emulation.priority_subscription import PrioritySubscription
from anymq.errors import ClosedError, PluginError
from anymq.events import AppEvent, HookFailed
from anymq.message import Delivery, Message
from anymq.outcome import Outcome, SendResult
from anymq.portable.consumer import Consumer
from anymq.portable.plan import SubscriberPlan
from anymq.portable.publisher import OnFull, Publisher
from anymq.runtime.mover import Mover, subscribe_mover
from anymq.runtime.task_host import TaskHost
from anymq.support.clock import Clock
from anymq.support.limits import within
from anymq.topology import GroupSpec, Source, TopicSpec, Topology, is_pattern

if TYPE_CHECKING:
    from anymq.config import RoleTarget, Settings

__all__ = ["Engine", "topology_of"]

CLOSE_S = 10.0


class Engine:
    """Owns the Broker, the Publisher, the Consumers and their tasks. Whoever opens it closes it."""

    def __init__(
        self,
        target: RoleTarget,
        settings: Settings,
        *,
        clock: Clock,
        client_id: str,
        tell: Any,
        window: int,
        on_full: OnFull,
    ) -> None:
        factory = target.descriptor.broker
        if factory is None:
            raise PluginError(f"backend {target.descriptor.name!r} has no Broker")
        self.target = target
        self.clock = clock
        self.broker: Broker = factory(
            target.options, BackendContext(clock, settings.namespace, client_id)
        )
        self.consumers: dict[str, Consumer] = {}
        self.capabilities: Capabilities
        self.publisher: Publisher
        self.delays: DelayRoute
        self.listeners: tuple[Callable[[AppEvent], None], ...] = ()
        """Telemetry's, told before the application's hooks."""
        self.siblings: list[Engine] = []
        """Engines of other backends whose consumers stop together with ours."""
        self._settings = settings
        self._tell = tell
        self._window = window
        self._on_full: OnFull = on_full
        self._host = TaskHost(self._crashed)
        self._threads: list[ThreadPoolExecutor] = []
        self._leveled: frozenset[str] = frozenset()
        self._is_closing = False

    async def open(self) -> None:
        """Connect and be able to publish. Leaves nothing running when it raises."""
        await self._host.open()
        try:
            self.capabilities = await self.broker.open(self._heard)
        except BaseException:
            await self.aclose()
            raise
        self.delays = DelayRoute(self.capabilities.handles, self.clock)
        self.publisher = Publisher(
            self.broker,
            spawn=self.spawn,
            clock=self.clock,
            max_batch=self.capabilities.max_batch,
            window=self._window,
            on_full=self._on_full,
        )

    async def declare(self, topology: Topology) -> None:
        """Declare the application's topology, and the delay ladder where it is needed."""
        timeout_s = self._settings.connect_wait_s
        if not self.delays.is_native:
            extra = ladder()
            topology = Topology(topology.topics + extra.topics, topology.groups + extra.groups)
        async with asyncio.timeout(timeout_s + 1):
            await self.broker.declare(topology, mode=self._settings.topology, timeout_s=timeout_s)

    async def start_consumers(
        self, plans: Sequence[SubscriberPlan], leveled: Collection[str] = ()
    ) -> None:
        """Start every subscriber. ``leveled``: topics whose priorities core emulates."""
        self._leveled |= frozenset(leveled)
        handles = self.capabilities.handles
        emulation = Emulation(handles, self.delays, self.clock)
        # A plugin would set a message aside where its level stands, and nobody looks there.
        of_levels = Emulation(handles - {"dead_letter"}, self.delays, self.clock)
        for plan in plans:
            is_leveled = not self._leveled.isdisjoint(plan.source.topics)
            consumer = Consumer(
                plan,
                self.capabilities,
                of_levels if is_leveled else emulation,
                host=self,
                send=self._send_copies,
                subscribe=self._subscribe,
            )
            await consumer.start()
            self.consumers[plan.name] = consumer

    async def start_movers(self) -> None:
        """Carry messages down the delay ladder, where the plugin has no delays of its own."""
        if self.delays.is_native:
            return
        for bucket in BUCKETS_S:
            subscription = await subscribe_mover(self.broker, bucket)
            mover = Mover(self.broker, bucket, clock=self.clock, lease_s=self.capabilities.lease_s)
            self.spawn(mover.run(subscription))

    async def stop_consumers(self, grace_s: float) -> None:
        """Drain all subscribers at the same time; bounded by ``grace_s`` and the closing limits."""
        async with asyncio.TaskGroup() as group:
            for engine in (self, *self.siblings):
                for consumer in engine.consumers.values():
                    group.create_task(consumer.stop(grace_s))

    def force(self) -> None:
        """Cancel all running handlers now."""
        for engine in (self, *self.siblings):
            for consumer in engine.consumers.values():
                consumer.cancel()

    async def aclose(self) -> None:
        """Flush what was accepted, close the Broker, end every task. Bounded; never raises."""
        self._is_closing = True
        if hasattr(self, "publisher"):
            self.publisher.close()
            async with within(CLOSE_S):
                await self.publisher.flush()
        async with within(CLOSE_S):
            await self.broker.aclose(timeout_s=CLOSE_S)
        await self._host.aclose(limit_s=CLOSE_S)
        for pool in self._threads:
            pool.shutdown(wait=False, cancel_futures=True)

    def spawn(
        self, work: Coroutine[Any, Any, None], context: Context | None = None, /
    ) -> asyncio.Task[None]:
        """Start a task that ends with the engine."""
        return self._host.spawn(work, context)

    def tell(self, event: AppEvent, /) -> None:
        """Tell the application, and whoever counts."""
        for listener in self.listeners:
            listener(event)
        self._tell(event)

    def executor(self, spec: SubscriberSpec) -> Executor:
        """Threads for one subscriber's plain function: as many as its concurrency."""
        override = self._settings.subscribers.get(spec.name)
        size = (override.concurrency if override else None) or spec.concurrency
        pool = ThreadPoolExecutor(size, thread_name_prefix=f"anymq-{spec.name}")
        self._threads.append(pool)
        return pool

    def settle_by_hand(self, name: str, delivery: Delivery, outcome: Outcome) -> None:
        """Carry out an outcome that a handler with ``ack="manual"`` asked for."""
        self.consumers[name].settle_by_hand(delivery, outcome)

    async def _subscribe(
        self, source: Source, /, *, prefetch: int, on_lost: OnLost
    ) -> Subscription:
        if self._leveled.isdisjoint(source.topics):
            return await self.broker.subscribe(source, prefetch=prefetch, on_lost=on_lost)
        return await PrioritySubscription.open(
            self.broker, source, prefetch=prefetch, on_lost=on_lost, leveled=self._leveled
        )

    async def _send_copies(
        self, messages: Sequence[Message], timeout_s: float, /
    ) -> Sequence[SendResult]:
        return await self.publisher.send_now(messages, timeout_s)

    def _heard(self, event: BackendEvent) -> None:
        self._tell(event)

    def _crashed(self, error: Exception) -> None:
        if self._is_closing and isinstance(error, ClosedError):
            return  # we closed what it worked on, and were about to end it
        self._tell(HookFailed("background task", f"{type(error).__name__}: {error}"))


def topology_of(topics: Mapping[str, TopicSpec], subscribers: Sequence[SubscriberSpec]) -> Topology:
    """Topics as declared, those that are only subscribed, and every named group."""
    declared = dict(topics)
    groups: list[GroupSpec] = []
    for spec in subscribers:
        for topic in spec.topics:
            if not is_pattern(topic):
                declared.setdefault(topic, TopicSpec(topic))
            if spec.group is not None:
                groups.append(GroupSpec(topic, spec.group, spec.order))
    return Topology(tuple(declared.values()), tuple(groups))
