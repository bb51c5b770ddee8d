"""A lie: one thing a Stream says and does not do, and the checks that must find it out.

Every lie is the memory backend's Stream with a few lines changed, under a scheme of its own. The
names in the modules beside this one are plugin objects, so each may be tried by hand as well:
``PYTHONPATH=. anymq conform --plugin tests/conformance/broken_streams/reading.py:LosesOnCancel
--url broken-loses-on-cancel://x --only DEL``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from anymq.abc import Record, Start, StreamReader
from anymq.memory.broker import MemoryBroker
from anymq.memory.capabilities import capabilities_of
from anymq.memory.log import Log
from anymq.memory.options import MemoryOptions
from anymq.memory.stream import MemoryStream
from anymq.plugins import BackendDescriptor, hookimpl

__all__ = ["LIES", "LyingReader", "LyingStream", "StreamLie", "lie"]


class LyingReader(StreamReader):
    """A reader that passes everything on; a lie overrides one method."""

    def __init__(self, inner: Any, stream: LyingStream, log: Log, start: Start) -> None:
        self.inner = inner
        self.stream = stream
        self.log = log
        self.start = start

    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        return await self.inner.receive(max_records=max_records, wait_s=wait_s)

    @property
    def is_at_end(self) -> bool:
        return bool(self.inner.is_at_end)

    async def aclose(self, *, timeout_s: float) -> None:
        await self.inner.aclose(timeout_s=timeout_s)


class LyingStream(MemoryStream):
    """The memory backend's Stream, its readers wrapped where a lie says so."""

    wrapper: ClassVar[type[LyingReader] | None] = None

    async def reader(self, stream: str, start: Start, *, follow: bool, prefetch: int) -> Any:
        inner = await super().reader(stream, start, follow=follow, prefetch=prefetch)
        if self.wrapper is None:
            return inner
        return self.wrapper(inner, self, self._space.streams[stream], start)


class StreamLie:
    """A plugin object, and what the kit has to say about it."""

    def __init__(
        self,
        name: str,
        says: str,
        caught_by: Iterable[str],
        stream: type[MemoryStream],
        options: type[MemoryOptions],
    ) -> None:
        self.name = f"broken-{name}"
        self.says = says
        self.caught_by = tuple(caught_by)
        self.stream = stream
        self.options = options

    def __repr__(self) -> str:
        return self.name

    @hookimpl
    def anymq_backends(self) -> Iterable[BackendDescriptor]:
        """The one broken backend."""
        return [
            BackendDescriptor(
                name=self.name,
                schemes=(self.name,),
                options=self.options,
                capabilities=capabilities_of(MemoryOptions()),
                broker=MemoryBroker,
                stream=self.stream,
                harness="anymq.testing.harnesses.memory:MemoryHarness",
            )
        ]


LIES: list[StreamLie] = []
"""Every lie of the modules imported so far."""


def lie(
    name: str, says: str, *caught_by: str, options: type[MemoryOptions] = MemoryOptions
) -> Callable[[type[Any]], StreamLie]:
    """Make a plugin object of a stream or a reader class. ``says``: the lie."""

    def make(liar: type[Any]) -> StreamLie:
        stream = liar
        if issubclass(liar, LyingReader):
            stream = type(liar.__name__, (LyingStream,), {"wrapper": liar})
        found = StreamLie(name, says, caught_by, stream, options)
        LIES.append(found)
        return found

    return make
