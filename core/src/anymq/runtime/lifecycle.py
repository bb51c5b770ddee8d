"""Lifecycle: the states of an App, and the way from one to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from anymq.abc import Health
from anymq.errors import AnyMQError, BackendUnavailable, ClosedError, InvalidState
from anymq.events import AppEvent, ConsumerStopped
from anymq.portable.plan import ErrorHook
from anymq.runtime.checks import run_checks
from anymq.runtime.connecting import connect
from anymq.runtime.health import AppHealth, combine
from anymq.runtime.parts import AppParts
from anymq.runtime.task_host import TaskHost

if TYPE_CHECKING:
    from anymq.abc.task_runner import WorkerOptions
    from anymq.app import App
    from anymq.portable.dead_letters import DeadLetters
    from anymq.portable.outbound import Outbound
    from anymq.portable.requests import Requests
    from anymq.runtime.assembly import Assembly
    from anymq.runtime.engine import Engine
    from anymq.runtime.stream_role import StreamRole
    from anymq.runtime.task_role import TaskRole

__all__ = ["Lifecycle"]

CLOSE_S = 10.0
NativeT = TypeVar("NativeT")


class Lifecycle:
    """new → starting → running → stopping → stopped (→ starting …) → closed."""

    def __init__(self, app: App, parts: AppParts, error_hooks: list[ErrorHook]) -> None:
        self.state = "new"
        self._app = app
        self._parts = parts
        self._error_hooks = error_hooks
        self._engine: Engine | None = None
        self._assembly: Assembly | None = None
        self._streams: StreamRole | None = None
        self._tasks: TaskRole | None = None
        self._stack = AsyncExitStack()
        self._connecting = TaskHost(self._connect_failed)
        self._failed: asyncio.Future[Exception] | None = None
        self._starting: asyncio.Future[None] | None = None
        self._stopping: asyncio.Future[None] | None = None
        self._given_up = asyncio.Event()
        self._work: bool | WorkerOptions = False
        """Whether to serve jobs, and which; decided by the last start."""
        parts.event_hooks.insert(0, self._watch)

    @property
    def engine(self) -> Engine:
        """The open engine. Raises InvalidState, ClosedError."""
        if self._engine is None:
            raise self._not_running()
        return self._engine

    @property
    def outgoing(self) -> Outbound:
        """The way out. Raises InvalidState, ClosedError, BackendUnavailable (not connected yet)."""
        if self._assembly is None:
            raise self._not_running()
        return self._assembly.outgoing

    @property
    def requests(self) -> Requests:
        """Requests that wait for replies. Raises as ``outgoing``."""
        if self._assembly is None:
            raise self._not_running()
        return self._assembly.requests

    @property
    def streams(self) -> StreamRole:
        """The connection to streams. Raises as ``outgoing``."""
        if self._streams is None:
            raise self._not_running()
        return self._streams

    @property
    def tasks(self) -> TaskRole:
        """The way to tasks. Raises as ``outgoing``."""
        if self._tasks is None:
            raise self._not_running()
        return self._tasks

    @property
    def dead_letters(self) -> DeadLetters:
        """Management of dead letters. Raises as ``outgoing``."""
        if self._assembly is None:
            raise self._not_running()
        return self._assembly.dead_letters

    async def start(
        self, *, consume: bool, background: bool | None, work: bool | WorkerOptions
    ) -> None:
        if self.state == "closed":
            raise ClosedError("this application is closed: make a new App")
        if self.state not in ("new", "stopped"):
            raise InvalidState(f"the application is {self.state}: it cannot be started")
        self.state = "starting"
        self._work = work
        self._failed = asyncio.get_running_loop().create_future()
        self._starting = asyncio.get_running_loop().create_future()
        try:
            settings = self._parts.resolve_settings()
            self._parts.resolve_target()
            if background or (background is None and settings.connect == "background"):
                await self._start_in_background(consume)
            else:
                await self._connect(consume, settings.connect_wait_s)
            self.state = "running"
        finally:
            try:
                if self.state == "starting":
                    await self._tear_down(0.0)
            finally:
                self.state = "stopped" if self.state == "starting" else self.state
                self._starting.set_result(None)
                self._starting = None

    async def stop(self, grace_s: float | None) -> None:
        if self._stopping is not None:
            await asyncio.shield(self._stopping)
            return
        if self.state == "closed":
            raise ClosedError("this application is closed")
        if self.state != "running":
            raise InvalidState(f"the application is {self.state}: it cannot be stopped")
        self.state = "stopping"
        self._stopping = asyncio.get_running_loop().create_future()
        try:
            limit = self._parts.resolve_settings().grace_s if grace_s is None else grace_s
            await self._tear_down(limit)
        finally:
            self.state = "stopped"
            self._stopping.set_result(None)
            self._stopping = None

    async def close(self, grace_s: float | None) -> None:
        if self._starting is not None:
            self._given_up.set()
            await asyncio.shield(self._starting)
        if self._stopping is not None:
            await asyncio.shield(self._stopping)
        elif self.state == "running":
            await self.stop(grace_s)
        self.state = "closed"

    def force(self) -> None:
        if self._engine is not None:
            self._engine.force()

    async def health(self) -> AppHealth:
        async with asyncio.TaskGroup() as asking:  # together no longer than the slowest
            checks = asking.create_task(run_checks(self._health_checks()))
            backend = asking.create_task(self._backend_health())
        engine, subscribers = self._engine, dict[str, str]()
        if engine is not None and self._assembly is not None:
            subscribers = self._assembly.subscriber_states(engine)
        return combine(self.state, backend.result(), subscribers, checks.result())

    async def _backend_health(self) -> Health:
        if self._engine is None or self._assembly is None:
            return Health("down", f"the application is {self.state}, not connected")
        return await _backend_health(self._engine)

    def _health_checks(self) -> dict[str, Callable[[], Any]]:
        if self._engine is None:
            return self._parts.health_checks
        streams = {} if self._streams is None else self._streams.health_checks()
        tasks = {} if self._tasks is None else self._tasks.health_checks()
        return {**streams, **tasks, **self._parts.all_health_checks()}

    async def wait_failed(self) -> Exception:
        if self._failed is None:
            raise self._not_running()
        return await asyncio.shield(self._failed)

    def native(self, kind: type[NativeT]) -> NativeT | None:
        broker = self.engine.broker
        if isinstance(broker, kind):
            return broker
        found = getattr(broker, "native", None)
        return found(kind) if callable(found) else None

    async def _start_in_background(self, consume: bool) -> None:
        await self._connecting.open()
        self._connecting.spawn(self._connect(consume, float("inf")))

    def _connect_failed(self, error: Exception) -> None:
        """Nobody awaits a start in the background: told by event and health."""
        self._app.tell(ConsumerStopped("start", f"{type(error).__name__}: {error}"))

    async def _connect(self, consume: bool, limit_s: float) -> None:
        await connect(
            partial(self._open, consume),
            limit_s=limit_s,
            given_up=self._given_up,
            tell=self._app.tell,
        )

    async def _open(self, consume: bool) -> None:
        # Imported at the first start: importing anymq stays cheap for those who only declare.
        from anymq.runtime.assembly import assemble, make_engine, make_streams
        from anymq.runtime.task_role import TaskRole

        engine = make_engine(self._app, self._parts)
        await engine.open()
        self._engine = engine
        try:
            self._streams = make_streams(self._app, self._parts, engine)
            await self._streams.open()
            state = None
            if self._parts.lifespan is not None:
                state = await self._stack.enter_async_context(self._parts.lifespan(self._app))
            self._assembly = assembly = await assemble(
                self._app, self._parts, engine, state, self._error_hooks, consume=consume
            )
            self._tasks = TaskRole(self._app, self._parts, engine)
            await self._tasks.open()
            # Handlers may publish from their first message on: what they need is in place now.
            await assembly.start()
            if self._work is not False:
                options = None if self._work is True else self._work
                await self._tasks.start(options, state, self._error_hooks)
        except BaseException:
            await self._close_engine(0.0)
            raise

    async def _tear_down(self, grace_s: float) -> None:
        await self._connecting.aclose(limit_s=CLOSE_S)
        await self._close_engine(grace_s)

    async def _close_engine(self, grace_s: float) -> None:
        """Whatever fails or is cancelled in one step, the next one is taken."""
        engine, streams, tasks = self._engine, self._streams, self._tasks
        async with AsyncExitStack() as steps:  # the last one pushed is the first one taken
            steps.push_async_callback(self._stack.aclose)
            if engine is not None:
                steps.push_async_callback(engine.aclose)
            if streams is not None:
                steps.push_async_callback(streams.aclose)
            if tasks is not None:
                steps.push_async_callback(tasks.aclose)
            steps.callback(self._forget)
            if tasks is not None:
                tasks.stop_schedules()
            if engine is not None:
                await engine.stop_consumers(grace_s)

    def _forget(self) -> None:
        self._engine = self._assembly = self._streams = self._tasks = None

    def _watch(self, event: AppEvent) -> None:
        if isinstance(event, ConsumerStopped) and self._failed and not self._failed.done():
            self._failed.set_result(RuntimeError(f"{event.subscriber}: {event.error}"))

    def _not_running(self) -> AnyMQError:
        if self.state == "closed":
            return ClosedError("this application is closed")
        if self.state == "running":
            return BackendUnavailable("not connected yet (it was started in the background)")
        return InvalidState(
            f"the application is {self.state}: use 'async with app', or 'await app.start()' first"
        )


async def _backend_health(engine: Engine) -> Health:
    try:
        async with asyncio.timeout(2.5):
            return await engine.broker.health()
    except Exception as error:  # noqa: BLE001 - health never raises, whatever a plugin does
        return Health("down", f"health check failed: {type(error).__name__}")
