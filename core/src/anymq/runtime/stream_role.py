"""StreamRole: the connection to streams of a running App, and everything that is open on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from anymq.abc import BackendContext, Stream, StreamSpec
from anymq.codecs.reading import BodyReader, body_reader
from anymq.errors import InvalidState, UnsupportedError
from anymq.events import AppEvent
from anymq.portable.outgoing import MessageBuilder
from anymq.portable.publisher import Publisher
from anymq.runtime.parts import AppParts
from anymq.runtime.requirements import backends_with_streams
from anymq.streams.membership import log_of
from anymq.streams.writer import Appends, StreamWriter
from anymq.support.clock import Clock
from anymq.support.limits import within
from anymq.telemetry import Telemetry

if TYPE_CHECKING:
    from anymq.capabilities import Capabilities
    from anymq.config import RoleTarget
    from anymq.streams.group import GroupReading

__all__ = ["StreamRole"]

CLOSE_S = 10.0


class StreamRole:
    """Opened at start where the App declares streams, else when the first one is used."""

    def __init__(
        self,
        name: str,
        parts: AppParts,
        *,
        specs: Mapping[str, StreamSpec],
        tell: Callable[[AppEvent], None],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self.clock: Clock = parts.clock
        self.tell = tell
        self.spawn = spawn
        self.groups: set[GroupReading[Any]] = set()
        """Members that are open here: they leave before the connection closes."""
        self.capabilities: Capabilities
        self._name = name
        self._parts = parts
        self._specs = specs
        self._declared: set[str] = set()
        self._partitions: dict[str, int] = {}
        self._opening = asyncio.Lock()
        self._stream: Stream | None = None
        self._writer: StreamWriter | None = None
        self._publisher: Publisher | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Connect and declare what the App declares; nothing where it declares no stream.

        Raises what a start may raise.
        """
        if self._specs:
            await self.ready(*self._specs)

    async def ready(self, *names: str) -> Stream:
        """The open Stream, with these declared. Raises TopologyError, BackendUnavailable …"""
        missing = [self._specs[name] for name in names if name not in self._declared]
        if self._stream is None or missing:
            return await self.declare(*missing)
        return self._stream

    async def declare(self, *specs: StreamSpec) -> Stream:
        """Make, check or trust streams, as the configuration's ``topology`` says."""
        settings = self._parts.resolve_settings()
        async with self._opening:
            stream = self._stream or await self._connect()
            if specs:
                timeout_s = settings.connect_wait_s
                async with asyncio.timeout(timeout_s + 1):
                    await stream.declare(specs, mode=settings.topology, timeout_s=timeout_s)
                self._partitions.update({spec.name: spec.partitions for spec in specs})
                self._declared.update(spec.name for spec in specs)
            return stream

    async def declare_for_groups(self) -> None:
        """Declare what groups of the declared streams would need, for later starts that may not."""
        for name in tuple(self._declared):
            if name in self._specs:
                await self.declare(log_of(name))

    async def writer(self, name: str) -> StreamWriter:
        """What appends to a stream, which is declared then."""
        if self._writer is None or name not in self._declared:
            await self.ready(name)
        if self._writer is None:
            raise InvalidState("the application's streams are closed")
        return self._writer

    def reader(self, annotation: Any) -> BodyReader:
        """What decodes records for an annotation. Raises ConfigError."""
        parts = self._parts
        return body_reader(
            parts.resolve_codec(), annotation, envelope=parts.make_envelope(self._name)
        )

    def partitions(self, name: str) -> int:
        """How many partitions a declared stream has."""
        return self._partitions[name]

    def health_checks(self) -> dict[str, Callable[[], Any]]:
        """The connection, where there is one, and every member of a group."""
        checks: dict[str, Callable[[], Any]] = {}
        if self._stream is not None:
            checks["streams"] = self._stream.health
        for group in self.groups:
            checks[f"stream {group.stream}/{group.group}"] = group.health
        return checks

    async def aclose(self) -> None:
        """Leave groups, flush what was appended, close the connection. Bounded; never raises."""
        self._is_closed = True
        for group in tuple(self.groups):
            async with within(CLOSE_S):
                await group.aclose()
        if self._publisher is not None:
            self._publisher.close()
            async with within(CLOSE_S):
                await self._publisher.flush()
        stream, self._stream, self._writer = self._stream, None, None
        if stream is not None:
            async with within(CLOSE_S):
                await stream.aclose(timeout_s=CLOSE_S)

    async def _connect(self) -> Stream:
        if self._is_closed:
            raise InvalidState("the application is stopping: no stream can be used any more")
        target = self._target()
        stream = self._make(target)
        try:
            self.capabilities = await stream.open(self.tell)
        except BaseException:
            async with within(CLOSE_S):
                await stream.aclose(timeout_s=CLOSE_S)
            raise
        self._publisher = Publisher(
            Appends(stream),
            spawn=self.spawn,
            clock=self.clock,
            max_batch=self.capabilities.max_batch,
            window=self._parts.publish_window,
            on_full=self._parts.on_full,
        )
        self._writer = StreamWriter(self._builder(target.descriptor.name), self._publisher)
        self._stream = stream
        return stream

    def _target(self) -> RoleTarget:
        from anymq.config import resolve_role

        parts = self._parts
        return resolve_role(parts.resolve_settings(), "stream", parts.resolve_registry())

    def _make(self, target: RoleTarget) -> Stream:
        factory = target.descriptor.stream
        if factory is None:
            registry = self._parts.resolve_registry()
            able = ", ".join(backends_with_streams(registry)) or "none that is installed"
            raise UnsupportedError(
                f"streams need a backend that has them; {target.url.scheme}:// has none."
                f" Backends that can: {able}"
            )
        namespace = self._parts.resolve_settings().namespace
        return factory(target.options, BackendContext(self.clock, namespace, self._name))

    def _builder(self, backend: str) -> MessageBuilder:
        parts = self._parts
        telemetry = Telemetry.current(backend, parts.tracer_provider, parts.meter_provider)
        return MessageBuilder(
            parts.resolve_codec(),
            self.clock,
            self.capabilities.max_message_bytes,
            self._partitions,
            parts.make_envelope(self._name),
            telemetry.stamps,
        )
