"""App: what an application holds. Declares, publishes, consumes, and is started and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from anymq.events import AppEvent
from anymq.middleware.chain import Middleware
from anymq.outcome import SendResult
from anymq.portable.plan import ErrorHook
from anymq.router import Router
from anymq.runtime.lifecycle import Lifecycle
from anymq.runtime.parts import AppParts
from anymq.streams.registrar import StreamRegistrar
from anymq.support.clock import Clock, SystemClock

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from anymq.abc import Management
    from anymq.abc.task_runner import WorkerOptions
    from anymq.capabilities import Capabilities
    from anymq.codecs.codec import Codec
    from anymq.config import Settings
    from anymq.plugins.registry import Registry
    from anymq.portable.consumer import Consumer
    from anymq.portable.dead_letters import DeadLetters
    from anymq.portable.publisher import OnFull
    from anymq.portable.sync_app import SyncApp
    from anymq.runtime.health import AppHealth
    from anymq.tasks.client import TaskClient
    from anymq.testing.app_test import AppTest

__all__ = ["App"]

NativeT = TypeVar("NativeT")
HookT = TypeVar("HookT", bound=Callable[..., Any])
Lifespan = Callable[["App"], AbstractAsyncContextManager[Any]]


class App(StreamRegistrar):
    """One application on the backend that its configuration names.

    ``App()`` reads anymq.toml and ``ANYMQ_*``; ``App("redis://localhost")`` says the backend
    outright. Nothing is imported, opened or connected before ``start``. Traces and metrics go to
    the OpenTelemetry providers given here, else to the global ones, else nowhere.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        settings: Settings | None = None,
        registry: Registry | None = None,
        codec: Codec | None = None,
        middleware: Sequence[Middleware] = (),
        lifespan: Lifespan | None = None,
        name: str = "anymq",
        clock: Clock | None = None,
        publish_timeout_s: float = 10.0,
        publish_window: int = 10_000,
        on_full: OnFull = "wait",
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        super().__init__(lambda: self._lifecycle.streams, append_timeout_s=publish_timeout_s)
        self.name = name
        self.middleware.extend(middleware)
        self._parts = AppParts(
            url=url,
            settings=settings,
            registry=registry,
            codec=codec,
            lifespan=lifespan,
            clock=clock or SystemClock(),
            publish_window=publish_window,
            on_full=on_full,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )
        self._publish_timeout_s = publish_timeout_s
        self._error_hooks: list[ErrorHook] = []
        self._lifecycle = Lifecycle(self, self._parts, self._error_hooks)
        self._sync: SyncApp | None = None
        self.task_owner.client = self._task_client

    # -- declaring ---------------------------------------------------------------------------

    def include(self, router: Router, *, prefix: str = "") -> None:
        """Take over a router's topics and subscribers; ``prefix`` goes before its topics' names."""
        router.check_publishers()
        full = prefix + router.prefix
        self.declarations.include(router.declarations, full, router.middleware)
        router.task_owner.client = self.task_owner.get

    def on_error(self, hook: HookT) -> HookT:
        """Call ``await hook(delivery, error)`` for every failed attempt. Usable as a decorator."""
        self._error_hooks.append(hook)
        return hook

    def on_event(self, hook: HookT) -> HookT:
        """Call ``hook(event)`` (plain function) for every AppEvent. Usable as a decorator."""
        self._parts.event_hooks.append(hook)
        return hook

    def health_check(self, name: str, check: Callable[[], Any]) -> None:
        """Add a check to health: returns an anymq.abc.Health, or an awaitable of one."""
        self._parts.health_checks[name] = check

    # -- running -----------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """new, starting, running, stopping, stopped or closed."""
        return self._lifecycle.state

    async def start(
        self,
        *,
        consume: bool = True,
        background: bool | None = None,
        work: bool | WorkerOptions | None = None,
    ) -> None:
        """Connect, declare, and (``consume``) start the subscribers and (``work``) a worker.

        ``work``: whether to serve jobs, or which and how many at once; None: as ``consume``.

        Waits for the backend at most ``connect_wait_s``; with ``background`` it returns at once
        and connects later, not being ready until then.

        Raises: BackendUnavailable, AccessDenied, ConfigError, PluginError, UnsupportedError,
        TopologyError; nothing runs then. InvalidState when it was started already.
        """
        self.check_publishers()
        self.sync.attach(asyncio.get_running_loop())
        jobs = consume if work is None else work
        await self._lifecycle.start(consume=consume, background=background, work=jobs)

    async def stop(self, *, grace_s: float | None = None) -> None:
        """Stop intake, let handlers end within ``grace_s``, give back the rest, disconnect.

        May be followed by ``start``. Always ends: within ``grace_s`` and the closing limits.
        """
        await self._lifecycle.stop(grace_s)

    async def close(self, *, grace_s: float | None = None) -> None:
        """Stop for good. Idempotent; afterwards everything raises ClosedError."""
        await self._lifecycle.close(grace_s)

    def force(self) -> None:
        """Cancel running handlers now; their messages go back uncounted."""
        self._lifecycle.force()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    @asynccontextmanager
    async def lifespan(self, _web_app: object = None) -> AsyncIterator[None]:
        """For ``FastAPI(lifespan=app.lifespan)``: started and closed with the web application."""
        async with self:
            yield

    async def wait_failed(self) -> Exception:
        """Wait until a subscriber ends for good; its error."""
        return await self._lifecycle.wait_failed()

    # -- publishing --------------------------------------------------------------------------

    async def publish(
        self,
        topic: str,
        body: Any,
        *,
        timeout_s: float | None = None,
        require_group: bool = False,
        **options: Any,
    ) -> str:
        """Publish one message; returns its id once the backend has it.

        ``options``: key, headers, delay_s, priority, ttl_s, message_id, correlation_id,
        causation_id, reply_to (see PublishOptions). A result that stays unknown is repeated with
        the same id until ``timeout_s`` (10) is over. ``require_group`` rejects where none listens.

        Raises: PublishRejected (certainly not stored; MessageTooLarge, BufferFull), PublishUnknown,
        ClosedError, InvalidState.
        """
        send = self._lifecycle.outgoing.send_one
        limit = timeout_s or self._publish_timeout_s
        if require_group:
            return await send(topic, body, limit, options, require_group=True)
        return await send(topic, body, limit, options)

    async def publish_many(
        self,
        topic: str,
        bodies: Iterable[Any],
        *,
        timeout_s: float | None = None,
        atomic: bool = False,
        keys: Iterable[str | None] | None = None,
        **options: Any,
    ) -> list[SendResult]:
        """Publish many; one result each, in order: Confirmed, Rejected or Unknown.

        A failed entry never hides a stored one; to repeat, send only those that failed.
        ``atomic`` stores all or none (needs ``batch_atomic``). ``keys`` gives one key per body.
        Raises UnsupportedError, ClosedError, InvalidState.
        """
        return await self._lifecycle.outgoing.send_many(
            topic,
            bodies,
            keys,
            timeout_s or self._publish_timeout_s,
            atomic=atomic,
            options=options,
        )

    async def request(
        self,
        topic: str,
        body: Any,
        *,
        timeout_s: float = 10.0,
        reply_type: Any = Any,
        **options: Any,
    ) -> Any:
        """Publish and wait for the reply that a handler returned to a message with a reply address.

        The reply address is private to this process and ready before the request leaves. Raises
        RequestTimeout (also a TimeoutError), RequestFailed (the handler failed for good),
        DecodeError (the reply is no ``reply_type``), and what ``publish`` raises.
        """
        return await self._lifecycle.requests.request(
            topic, body, timeout_s=timeout_s, reply_type=reply_type, options=options
        )

    # -- looking and steering ----------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """What the open backend can do. Raises InvalidState before start."""
        return self._lifecycle.engine.capabilities

    @property
    def consumers(self) -> Mapping[str, Consumer]:
        """The running subscribers by name: pause, resume, set_concurrency."""
        return self._lifecycle.engine.consumers

    @property
    def dead_letters(self) -> DeadLetters:
        """List, replay and purge what could not be handled."""
        return self._lifecycle.dead_letters

    def management(self) -> Management:
        """The operator's view of the backend: topics, groups, depths. Raises InvalidState."""
        return self._lifecycle.engine.broker.management()

    async def health(self) -> AppHealth:
        """Live, ready, and the condition of every part. Never raises; at most about two seconds."""
        return await self._lifecycle.health()

    def native(self, kind: type[NativeT]) -> NativeT | None:
        """The client library's own object of that type, or None. Not portable."""
        return self._lifecycle.native(kind)

    @property
    def sync(self) -> SyncApp:
        """The same application for plain functions and scripts: blocking calls with time limits."""
        if self._sync is None:
            from anymq.portable.sync_app import SyncApp

            self._sync = SyncApp(self)
        return self._sync

    def test(self) -> AppTest:
        """The application without a server: ``async with app.test() as t`` (anymq[testing])."""
        from anymq.testing.app_test import AppTest

        return AppTest(self)

    async def _task_client(self) -> TaskClient:
        return await self._lifecycle.tasks.client()

    def tell(self, event: AppEvent) -> None:
        """Tell the event hooks; one that raises is told to the others."""
        self._parts.tell(event)
