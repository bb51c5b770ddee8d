"""A lie: one thing a backend does wrong when connections break, and the check that finds it out.

Every lie is the Redis backend with a few lines changed, under a scheme of its own, so each may be
tried from the command line as well: ``PYTHONPATH=. anymq conform
--plugin tests/conformance/broken_recovery/members.py:NeverComesBack
--harness anymq_redis.harness:RedisHarness --url broken-never-comes-back://… --only REC``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from anymq.message import Delivery
from anymq.plugins import BackendDescriptor, hookimpl
from anymq_redis.broker import RedisBroker
from anymq_redis.capabilities import claimed
from anymq_redis.options import RedisOptions
from anymq_redis.stream import RedisStream

__all__ = ["HONEST", "LIES", "Lie", "LyingBroker", "LyingMember", "lie"]


class LyingMember:
    """A subscription that passes everything on; a lie overrides one method."""

    def __init__(self, inner: Any, broker: LyingBroker) -> None:
        self.inner = inner
        self.broker = broker

    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        return await self.inner.receive(max_messages=max_messages, wait_s=wait_s)

    async def settle(self, items: Any, *, timeout_s: float) -> Any:
        return await self.inner.settle(items, timeout_s=timeout_s)

    async def keep(self, deliveries: list[Delivery]) -> Any:
        return await self.inner.keep(deliveries)

    async def pause(self) -> None:
        await self.inner.pause()

    async def resume(self) -> None:
        await self.inner.resume()

    async def stop(self) -> None:
        await self.inner.stop()

    async def aclose(self, *, timeout_s: float) -> None:
        await self.inner.aclose(timeout_s=timeout_s)


class LyingBroker(RedisBroker):
    """The Redis backend; hears of its own losses, and wraps its members where a lie says so."""

    member: ClassVar[type[LyingMember] | None] = None

    def __init__(self, options: RedisOptions, context: Any) -> None:
        super().__init__(options, context)
        self._sources: dict[int, Any] = {}
        self.losses = 0
        """How often a connection was lost, as the driver tells."""

    async def open(self, events: Any) -> Any:
        def hear(event: Any) -> None:
            self.losses += event.kind == "lost"
            events(event)

        return await super().open(hear)

    async def subscribe(self, source: Any, *, prefetch: int, on_lost: Any) -> Any:
        inner = await super().subscribe(source, prefetch=prefetch, on_lost=on_lost)
        if self.member is None:
            return inner
        member = self.member(inner, self)
        self._sources[id(member)] = (source, prefetch, on_lost)
        return member

    async def join_again(self, member: LyingMember) -> Any:
        """One more member of the same group, on the same terms."""
        source, prefetch, on_lost = self._sources[id(member)]
        return await super().subscribe(source, prefetch=prefetch, on_lost=on_lost)


class Lie:
    """A plugin object, and what the kit has to say about it."""

    def __init__(self, name: str, says: str, caught_by: dict[str, str], broker: type[Any]) -> None:
        self.name = f"broken-{name}"
        self.says = says
        self.caught_by = caught_by
        """Id of a check to words of the reason it must give: failing is not enough."""
        self.broker = broker

    def __repr__(self) -> str:
        return self.name

    @hookimpl
    def anymq_backends(self) -> Iterable[BackendDescriptor]:
        """The one broken backend."""
        return [
            BackendDescriptor(
                name=self.name,
                schemes=(self.name,),
                options=RedisOptions,
                capabilities=claimed(RedisOptions()),
                broker=self.broker,
                stream=RedisStream,
                harness="anymq_redis.harness:RedisHarness",
            )
        ]


HONEST = Lie("in-nothing", "the Redis backend as it is", {}, RedisBroker)
"""What every lie is held against; under a scheme of its own, as they are."""

LIES: list[Lie] = []
"""Every lie of the modules imported so far."""


def lie(name: str, says: str, caught_by: dict[str, str]) -> Callable[[type[Any]], Lie]:
    """Make a plugin object of a broker or member class. ``says``: the lie."""

    def make(liar: type[Any]) -> Lie:
        broker = liar
        if issubclass(liar, LyingMember):
            broker = type(liar.__name__, (LyingBroker,), {"member": liar})
        found = Lie(name, says, caught_by, broker)
        LIES.append(found)
        return found

    return make
