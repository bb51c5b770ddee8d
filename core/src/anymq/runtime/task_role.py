"""TaskRole: the tasks of a running App: its way to their backend, its store, and its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anymq.abc import BackendContext, Health, JobStore
from anymq.abc.task_runner import WorkerOptions
from anymq.codecs.json_format import JsonCodec
from anymq.emulation.priority import PriorityRoute, with_levels
from anymq.errors import ConfigError, InvalidState
from anymq.message import Message
from anymq.pipeline.context import Context
from anymq.portable.outbound import Outbound
from anymq.portable.outgoing import MessageBuilder
from anymq.portable.plan import ErrorHook
from anymq.runtime.engine import Engine
from anymq.runtime.parts import AppParts
from anymq.support.ids import new_id
from anymq.support.limits import within
from anymq.tasks.client import TaskClient
from anymq.tasks.crew import CONSUMER, Crew
from anymq.tasks.envelope import read_ending
from anymq.tasks.inbox import Inbox
from anymq.tasks.ledger import Ledger
from anymq.tasks.queues import DEFAULT_QUEUE, GROUP, task_topology
from anymq.tasks.replies import Replies
from anymq.tasks.waiting import Waiting
from anymq.telemetry import Telemetry
from anymq.topology import RESERVED_PREFIX, Topology

if TYPE_CHECKING:
    from anymq.app import App
    from anymq.config import RoleTarget
    from anymq.portable.consumer import Consumer
    from anymq.tasks.cron import Scheduler

__all__ = ["TaskRole"]

CLOSE_S = 10.0
LOG_PARTITIONS = 8
"""Of a queue's topic where a partition has one consumer, so that as many workers share it."""


class TaskRole:
    """Opened at start where the App declares tasks, else when the first job is looked at."""

    def __init__(self, app: App, parts: AppParts, engine: Engine) -> None:
        self._app = app
        self._parts = parts
        self._shared = engine
        self._specs = app.declarations.tasks
        self._opening = asyncio.Lock()
        self._engine: Engine | None = None
        self._store: JobStore | None = None
        self._client: TaskClient | None = None
        self._crew: Crew | None = None
        self._scheduler: Scheduler | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Connect and declare; nothing where the App declares no task."""
        if self._specs:
            await self.client()

    async def client(self) -> TaskClient:
        """What submits and looks. Raises what a start may raise."""
        async with self._opening:
            if self._client is None:
                if self._is_closed:
                    raise InvalidState("the application is stopping: no job can be submitted")
                await self._connect()
            if self._client is None:
                raise InvalidState("the application has no tasks")
            return self._client

    async def start(
        self, options: WorkerOptions | None, state: Any, error_hooks: Sequence[ErrorHook]
    ) -> None:
        """Serve jobs; nothing where the App has no task to run. Raises what a start may raise."""
        if not any(spec.function is not None for spec in self._specs.values()):
            return
        await self.client()
        engine, settings = self._opened(), self._parts.resolve_settings()
        options = options or WorkerOptions((), settings.tasks.concurrency, settings.grace_s)
        if not options.queues:
            options = replace(options, queues=tuple(sorted(self._queues())))
        await self._declare(options.queues)
        app, queues = self._app, options.queues
        context: Context[Any] = Context(app, state, CONSUMER, queues, GROUP, {})
        self._crew = Crew(
            engine,
            self._ledger,
            self._replies,
            context=context,
            specs=self._specs,
            options=options,
            unwrap=self._unwrap(),
        )
        telemetry = self._telemetry
        layers = (*telemetry.middleware, *self._parts.extension_middleware(), *app.middleware)
        plan = await self._crew.start(
            middleware=layers, error_hooks=error_hooks, publish=app.publish
        )
        is_native = "priority" in engine.capabilities.handles
        await engine.start_consumers([plan], () if is_native else plan.source.topics)
        self._schedule(engine)

    def stop_schedules(self) -> None:
        """Submit nothing more by the clock."""
        if self._scheduler is not None:
            self._scheduler.stop()

    def health_checks(self) -> dict[str, Callable[[], Any]]:
        """The backend of tasks, where it is another one, and the worker."""
        checks: dict[str, Callable[[], Any]] = {}
        own = self._own_engine
        if own is not None:
            checks["tasks"] = own.broker.health
        if self._crew is not None and self._engine is not None:
            consumer = self._engine.consumers.get(CONSUMER)
            if consumer is not None:
                checks["worker"] = lambda: _state_of(consumer)
        return checks

    @property
    def _own_engine(self) -> Engine | None:
        return None if self._engine is self._shared else self._engine

    async def aclose(self) -> None:
        """Let go of everything. Bounded; never raises."""
        self._is_closed = True
        if self._crew is not None:
            async with within(CLOSE_S):
                await self._crew.aclose()
        own = self._own_engine
        if own is not None:
            async with within(CLOSE_S):
                await own.aclose()
        if self._store is not None:
            async with within(CLOSE_S):
                await self._store.aclose(timeout_s=CLOSE_S)
        self._client = None

    def _schedule(self, engine: Engine) -> None:
        schedules = self._app.declarations.schedules
        if not schedules or self._client is None:
            return
        from anymq.tasks.cron import Scheduler

        keep_s = self._parts.resolve_settings().tasks.keep_results_s
        for spec in schedules:
            if spec.misfire_grace_s * 2 > keep_s:
                raise ConfigError(
                    f"cron of task {spec.task!r} ({spec.declared_at}): misfire_grace_s="
                    f"{spec.misfire_grace_s} needs tasks.keep_results_s of twice as much, or a"
                    " tick could run again once its job is forgotten"
                )
        self._scheduler = Scheduler(
            schedules, self._specs, self._client, engine.clock, engine.spawn
        )
        self._scheduler.start()

    async def _connect(self) -> None:
        target, settings = self._target(), self._parts.resolve_settings()
        store = self._make_store(target)
        is_done = False
        try:
            await store.open()
            self._store = store
            engine = await self._open_engine(target)
            await self._declare(self._queues())
            self._ledger = Ledger(
                store, engine.clock, engine.spawn, keep_s=settings.tasks.keep_results_s
            )
            outbound = self._outbound(engine, target.descriptor.name)
            self._replies = Replies(outbound, self._ledger, engine.spawn)
            waiting = Waiting(self._ledger, engine.clock, engine.spawn)
            inbox = Inbox(
                engine.broker,
                f"{RESERVED_PREFIX}reply.{new_id()}",
                lambda reply: waiting.ended(read_ending(reply.body)),
                engine.spawn,
            )
            inbox.on_gap = waiting.look_now
            self._client = TaskClient(outbound, self._ledger, waiting, inbox, engine.clock)
            is_done = True
        finally:
            if not is_done:
                await self.aclose()
                self._engine = self._store = None
                self._is_closed = False

    async def _open_engine(self, target: RoleTarget) -> Engine:
        shared = self._shared.target
        if (target.url, target.options) == (shared.url, shared.options):
            self._engine = self._shared
            return self._shared
        parts = self._parts
        engine = Engine(
            target,
            parts.resolve_settings(),
            clock=parts.clock,
            client_id=self._app.name,
            tell=self._app.tell,
            window=parts.publish_window,
            on_full=parts.on_full,
        )
        await engine.open()
        self._engine = engine
        self._shared.siblings.append(engine)
        await engine.start_movers()
        return engine

    async def _declare(self, queues: Sequence[str] | set[str]) -> None:
        engine, settings = self._opened(), self._parts.resolve_settings()
        is_log = "release" not in engine.capabilities.handles
        partitions = settings.tasks.partitions or (LOG_PARTITIONS if is_log else 1)
        topology = task_topology(queues, partitions)
        if "priority" not in engine.capabilities.handles:
            topics, groups = with_levels(topology.topics, topology.groups)
            topology = Topology(topology.topics + topics, topology.groups + groups)
        self._topics = {spec.name: spec for spec in topology.topics}
        await engine.declare(topology)

    def _outbound(self, engine: Engine, backend: str) -> Outbound:
        parts, capabilities = self._parts, engine.capabilities
        self._telemetry = Telemetry.current(backend, parts.tracer_provider, parts.meter_provider)
        builder = MessageBuilder(
            JsonCodec(),
            engine.clock,
            capabilities.max_message_bytes,
            {name: spec.partitions for name, spec in self._topics.items()},
            parts.make_envelope(self._app.name),
            self._telemetry.stamps,
        )
        return Outbound(
            builder,
            engine.publisher,
            capabilities,
            engine.delays,
            PriorityRoute(capabilities.handles, self._topics),
            management=engine.broker.management,
            clock=engine.clock,
        )

    def _target(self) -> RoleTarget:
        from anymq.config import resolve_role

        return resolve_role(self._parts.resolve_settings(), "tasks", self._parts.resolve_registry())

    def _make_store(self, target: RoleTarget) -> JobStore:
        from anymq.config import resolve_store

        settings = self._parts.resolve_settings()
        named = resolve_store(settings, self._parts.resolve_registry()) or target
        factory = named.descriptor.job_store
        if factory is None:
            raise ConfigError(
                f"{named.where}: tasks need a store for their results, and {named.url.scheme}://"
                ' has none: set tasks.store, such as "sqlite:///jobs.db" or redis://localhost'
            )
        context = BackendContext(self._parts.clock, settings.namespace, self._app.name)
        return factory(named.options, context)

    def _queues(self) -> set[str]:
        configured = self._parts.resolve_settings().tasks.queues
        return {DEFAULT_QUEUE, *configured, *(spec.queue for spec in self._specs.values())}

    def _opened(self) -> Engine:
        if self._engine is None:
            raise InvalidState("the application is not connected")
        return self._engine

    def _unwrap(self) -> Callable[[Message], Message] | None:
        envelope = self._parts.make_envelope(self._app.name)
        return None if envelope is None else envelope.unwrap


def _state_of(consumer: Consumer) -> Health:
    if consumer.error is not None:
        return Health("down", f"{type(consumer.error).__name__}: {consumer.error}")
    return Health("up" if consumer.is_running else "down", "" if consumer.is_running else "stopped")
