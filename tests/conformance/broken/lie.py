"""A lie: one thing a backend says and does not do, and the check that must find it out.

Every lie is the memory backend with a few lines changed, under a scheme of its own. The names in
these modules are plugin objects, so each may be tried from the command line as well:
``PYTHONPATH=. anymq conform --plugin tests/conformance/broken/settling.py:AcksOnReceipt
--url broken-acks-on-receipt://x --only ACK``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from anymq.abc import Management, Subscription
from anymq.capabilities import Capabilities
from anymq.memory.broker import MemoryBroker
from anymq.memory.capabilities import capabilities_of
from anymq.memory.options import MemoryOptions
from anymq.memory.stream import MemoryStream
from anymq.message import Delivery
from anymq.outcome import Settlement
from anymq.plugins import BackendDescriptor, hookimpl
from anymq.topology import Source

__all__ = ["ELSEWHERE", "LIES", "Lie", "LyingBroker", "LyingManagement", "LyingMember", "lie"]

ELSEWHERE = ("DEL-01", "MSG-02", "RTY-06")
"""Checks that have nothing to do with most lies, and must go on passing."""


class LyingMember(Subscription):
    """A subscription that passes everything on; a lie overrides one method."""

    def __init__(self, inner: Any, broker: MemoryBroker, source: Source) -> None:
        self.inner = inner
        self.broker = broker
        self.source = source

    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        return await self.inner.receive(max_messages=max_messages, wait_s=wait_s)

    async def settle(self, items: Sequence[Settlement], *, timeout_s: float) -> Any:
        return await self.inner.settle(items, timeout_s=timeout_s)

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        return await self.inner.keep(deliveries)

    async def pause(self) -> None:
        await self.inner.pause()

    async def resume(self) -> None:
        await self.inner.resume()

    async def stop(self) -> None:
        await self.inner.stop()

    async def aclose(self, *, timeout_s: float) -> None:
        await self.inner.aclose(timeout_s=timeout_s)


class LyingManagement(Management):
    """The operator's view, passed on; a lie overrides one method."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def topics(self) -> Any:
        return await self.inner.topics()

    async def groups(self, topic: str | None = None) -> Any:
        return await self.inner.groups(topic)

    async def dead_letters(
        self, topic: str, group: str, *, limit: int, after: str | None = None
    ) -> Any:
        return await self.inner.dead_letters(topic, group, limit=limit, after=after)

    async def resolve(self, topic: str, group: str, ids: Sequence[str], resolution: Any) -> int:
        return await self.inner.resolve(topic, group, ids, resolution)

    def administer(self, topic: str, group: str, *, lease_s: float) -> Any:
        return self.inner.administer(topic, group, lease_s=lease_s)

    async def purge(self, topic: str, group: str) -> int:
        return await self.inner.purge(topic, group)

    async def remove_group(self, topic: str, group: str) -> None:
        await self.inner.remove_group(topic, group)


class LyingBroker(MemoryBroker):
    """The memory backend, its subscriptions and management wrapped where a lie says so."""

    member: ClassVar[type[LyingMember] | None] = None
    operator: ClassVar[type[LyingManagement] | None] = None

    async def subscribe(self, source: Source, *, prefetch: int, on_lost: Any) -> Any:
        inner = await super().subscribe(source, prefetch=prefetch, on_lost=on_lost)
        return inner if self.member is None else self.member(inner, self, source)

    def management(self) -> Management:
        inner = super().management()
        return inner if self.operator is None else self.operator(inner)


class Lie:
    """A plugin object, and what the kit has to say about it."""

    def __init__(self, name: str, says: str, caught_by: Iterable[str], broker: type[Any]) -> None:
        self.name = f"broken-{name}"
        self.says = says
        self.caught_by = tuple(caught_by)
        self.broker = broker
        self.unharmed = ELSEWHERE
        self.options: type[MemoryOptions] = MemoryOptions
        self.query = ""
        """Of the URL: options that the lie needs."""

    def __repr__(self) -> str:
        return self.name

    @hookimpl
    def anymq_backends(self) -> Iterable[BackendDescriptor]:
        """The one broken backend."""
        claimed: Capabilities = getattr(self.broker, "claimed", capabilities_of(MemoryOptions()))
        return [
            BackendDescriptor(
                name=self.name,
                schemes=(self.name,),
                options=self.options,
                capabilities=claimed,
                broker=self.broker,
                stream=MemoryStream,
                harness="anymq.testing.harnesses.memory:MemoryHarness",
            )
        ]


LIES: list[Lie] = []
"""Every lie of the modules imported so far."""


def lie(
    name: str,
    says: str,
    *caught_by: str,
    unharmed: Sequence[str] = ELSEWHERE,
    options: type[MemoryOptions] = MemoryOptions,
    query: str = "",
) -> Callable[[type[Any]], Lie]:
    """Make a plugin object of a broker, subscription or management class. ``says``: the lie."""

    def make(liar: type[Any]) -> Lie:
        broker = liar
        if issubclass(liar, LyingMember):
            broker = type(liar.__name__, (LyingBroker,), {"member": liar})
        elif issubclass(liar, LyingManagement):
            broker = type(liar.__name__, (LyingBroker,), {"operator": liar})
        found = Lie(name, says, caught_by, broker)
        found.unharmed = tuple(unharmed)
        found.options = options
        found.query = query
        LIES.append(found)
        return found

    return make
