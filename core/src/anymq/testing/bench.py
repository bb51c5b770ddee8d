"""Bench: what a check works with. One per check; it closes whatever the check opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from anymq.abc import BackendContext, Broker, Stream, Subscription
from anymq.app import App
from anymq.capabilities import Capabilities
from anymq.config import Settings, resolve_role
from anymq.config.model import TaskSettings
from anymq.errors import PluginError
from anymq.message import Delivery, Message
from anymq.outcome import ACK, Confirmed, Outcome, Settlement
from anymq.support.clock import SystemClock
from anymq.support.ids import new_id
from anymq.testing.check import CheckFailed, Family, expect
from anymq.testing.collector import Behaviour, Collector
from anymq.testing.receiving import receive_in_time
from anymq.topology import GroupSpec, Order, Source, TopicSpec, Topology, TopologyMode
from anymq.urls import parse_url

if TYPE_CHECKING:
    from anymq.plugins.registry import Registry
    from anymq.testing.harness import Harness

__all__ = ["Bench"]


class Bench:
    """Makes applications, brokers and topics; waits; counts what was sent and seen."""

    def __init__(
        self,
        harness: Harness,
        registry: Registry,
        capabilities: Capabilities,
        *,
        family: Family = "broker",
    ) -> None:
        self.harness = harness
        self.registry = registry
        self.capabilities = capabilities
        self.family = family
        self.run_id = new_id()[-12:]
        self.sent = 0
        self.records = 0
        self.orphans = 0  # private groups that processes which died leave behind, for a while
        """How many records were read from streams."""
        self.collectors: list[Collector] = []
        self.events: list[Any] = []
        """Every event of every application of this bench."""
        self._stack = AsyncExitStack()
        self._names = 0
        self._apps: list[App] = []

    # -- names and waiting -------------------------------------------------------------------

    def topic(self, name: str = "t") -> str:
        """A topic name that nobody else has; it contains the run id."""
        self._names += 1
        return self.harness.make_destination(f"kit.{self.run_id}.{self._names}.{name}")

    def limit(self, seconds: float = 5.0) -> float:
        """A time limit at the backend's pace."""
        return seconds * self.harness.timings.scale

    async def wait(self, condition: Callable[[], bool], what: str, limit_s: float = 5.0) -> None:
        """Wait until the condition holds; fail saying what was waited for."""
        try:
            async with asyncio.timeout(self.limit(limit_s)):
                while not condition():  # noqa: ASYNC110 - any condition, so there is no event for it
                    await asyncio.sleep(0.002)
        except TimeoutError:
            raise CheckFailed(f"waited {self.limit(limit_s):.3g} s in vain for {what}") from None

    async def wait_async(
        self, condition: Callable[[], Awaitable[bool]], what: str, limit_s: float = 5.0
    ) -> None:
        """As ``wait``, for a condition that has to ask."""
        try:
            async with asyncio.timeout(self.limit(limit_s)):
                while not await condition():  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise CheckFailed(f"waited {self.limit(limit_s):.3g} s in vain for {what}") from None

    async def quiet(self, seconds: float | None = None) -> None:
        """Let the quiet window pass, in which nothing more may come."""
        await asyncio.sleep(seconds or self.harness.timings.quiet_s * self.harness.timings.scale)

    # -- applications ------------------------------------------------------------------------

    async def app(self, *, plugin: dict[str, Any] | None = None, **options: Any) -> App:
        """An application on the backend, not started. ``plugin``: options for the URL's query.

        Other options are fields of Settings where they are such, else arguments of App; ``url``
        stands in for the harness's. It is closed, by force if need be, when the check ends.
        """
        given = await self.harness.options()
        url = options.pop("url", given.pop("url"))
        if plugin:
            url = type(self.harness)(url, registry=self.registry).url_with(**plugin)
        known = [name for name in options if name in Settings.model_fields and name != "codec"]
        fields = {name: options.pop(name) for name in known}
        defaults = {"grace_s": 2.0, "connect_wait_s": 5.0}
        if self.harness.store:
            fields.setdefault("tasks", TaskSettings(store=parse_url(self.harness.store)))
        settings = Settings(url=parse_url(url), **{**defaults, **given, **fields})
        app = App(settings=settings, registry=self.registry, **options)
        app.on_event(self.events.append)
        self._apps.append(app)
        return app

    async def started(self, app: App) -> App:
        """Start an application, within the limit."""
        async with asyncio.timeout(self.limit(10)):
            await app.start()
        return app

    def collect(
        self,
        app: App,
        *topics: str,
        group: str | None = None,
        behaviour: Behaviour | None = None,
        **options: Any,
    ) -> Collector:
        """Subscribe a collector; ``behaviour(value, delivery)`` decides what the handler does."""
        collector = Collector(self.run_id, behaviour)
        self.collectors.append(collector)

        async def handler(body: Any, delivery: Delivery) -> Any:
            return await collector.handle(body, delivery)

        options.setdefault("name", f"collector-{len(self.collectors)}")
        app.subscriber(*topics, group=group, **options)(handler)
        return collector

    def body(self, value: Any) -> dict[str, Any]:
        """A body that belongs to this run."""
        return {"run": self.run_id, "v": value}

    async def publish(self, app: App, topic: str, *values: Any, **options: Any) -> list[str]:
        """Publish values one after the other, awaiting each; their ids."""
        ids = []
        for value in values:
            ids.append(await app.publish(topic, self.body(value), **options))
            self.sent += 1
        return ids

    async def publish_many(
        self, app: App, topic: str, values: Iterable[Any], **options: Any
    ) -> None:
        """Publish values in one batch; fail unless all are confirmed."""
        bodies = [self.body(value) for value in values]
        results = await app.publish_many(topic, bodies, **options)
        bad = [result for result in results if not isinstance(result, Confirmed)]
        expect(not bad, f"{len(bad)} of {len(bodies)} entries were not confirmed: {bad[:3]}")
        self.sent += len(bodies)

    async def received(self, collector: Collector, count: int, limit_s: float = 5.0) -> None:
        """Wait until a collector's handler was called so many times."""
        ok = await collector.until(lambda: len(collector.seen) >= count, self.limit(limit_s))
        if not ok:
            raise CheckFailed(f"{len(collector.seen)} of {count} messages came in time")

    async def exactly(self, collector: Collector, values: Iterable[Any]) -> None:
        """Wait for these values, then through the quiet window: each exactly once, nothing else."""
        wanted = list(values)
        await self.received(collector, len(wanted))
        await self.quiet()
        self.check_exact(collector, wanted)

    def check_exact(self, collector: Collector, wanted: Sequence[Any]) -> None:
        """Fail unless just these values were seen, once each (order aside)."""
        counts = collector.counts
        missing = [value for value in wanted if value not in counts]
        extra = {value: n for value, n in counts.items() if n > 1 or value not in wanted}
        expect(not missing, f"missing: {missing[:5]} ({len(missing)} of {len(wanted)})")
        expect(not extra, f"seen more than once, or never sent: {dict(list(extra.items())[:5])}")

    async def crash(self, app: App) -> None:
        """Let an application vanish without settling anything."""
        if app._lifecycle._tasks is not None:
            self.orphans += 2  # what its worker and its handles listened to goes in its own time
        await self.harness.crash(app)

    @property
    def seen(self) -> int:
        """How many handler calls there were, and how many records were read."""
        return self.records + sum(len(collector.seen) for collector in self.collectors)

    # -- the narrow interface ----------------------------------------------------------------

    @asynccontextmanager
    async def broker(self, **plugin: Any) -> AsyncIterator[Broker]:
        """The plugin's own Broker, open; closed within its limit afterwards."""
        broker = await self._make("broker", plugin)
        await broker.open(self.events.append)
        try:
            yield broker
        finally:
            async with asyncio.timeout(self.limit(10)):
                await broker.aclose(timeout_s=5.0)

    @asynccontextmanager
    async def stream(self, **plugin: Any) -> AsyncIterator[Stream]:
        """The plugin's own Stream, open; closed within its limit afterwards."""
        stream = await self._make("stream", plugin)
        await stream.open(self.events.append)
        try:
            yield stream
        finally:
            async with asyncio.timeout(self.limit(10)):
                await stream.aclose(timeout_s=5.0)

    async def declare(
        self, broker: Broker, topic: str, *groups: str, order: Order = "none", partitions: int = 1
    ) -> None:
        """Declare one topic with groups."""
        topology = Topology(
            (TopicSpec(topic, partitions),), tuple(GroupSpec(topic, g, order) for g in groups)
        )
        await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=self.limit(10))

    async def subscribe(
        self,
        broker: Broker,
        topic: str,
        group: str | None,
        *,
        prefetch: int = 100,
        order: Order = "none",
        on_lost: Callable[[Sequence[Delivery]], None] | None = None,
    ) -> Subscription:
        """A narrow subscription; closed with the bench."""
        subscription = await broker.subscribe(
            Source((topic,), group, order), prefetch=prefetch, on_lost=on_lost or (lambda _: None)
        )
        self._stack.push_async_callback(subscription.aclose, timeout_s=5.0)
        return subscription

    def message(self, topic: str, body: bytes = b"{}", **fields: Any) -> Message:
        """A narrow message of this run."""
        self.sent += 1
        return Message(topic, body, fields.pop("id", None) or new_id(), _now(), **fields)

    async def take(
        self, subscription: Subscription, count: int, *, limit_s: float = 5.0
    ) -> list[Delivery]:
        """Receive exactly ``count`` deliveries, in as many calls as it takes."""
        taken: list[Delivery] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + self.limit(limit_s)
        while len(taken) < count and loop.time() < until:
            room = count - len(taken)
            fresh = await receive_in_time(
                subscription,
                max_messages=room,
                wait_s=until - loop.time(),
                slack_s=self.limit(2),
            )
            taken += fresh
        expect(len(taken) == count, f"{len(taken)} of {count} deliveries came in time")
        return taken

    async def settle(
        self, subscription: Subscription, *deliveries: Delivery, outcome: Outcome = ACK
    ) -> list[Any]:
        """Settle deliveries with one outcome; the results."""
        items = [Settlement(delivery, outcome) for delivery in deliveries]
        results = list(await subscription.settle(items, timeout_s=self.limit(5)))
        expect(len(results) == len(items), f"settle gave {len(results)} results for {len(items)}")
        return results

    async def aclose(self) -> None:
        """Close what the check left open; raises TimeoutError for what does not end."""
        for app in reversed(self._apps):
            if app.state in ("running", "stopping"):
                async with asyncio.timeout(self.limit(15)):
                    await app.close(grace_s=0.5)
        async with asyncio.timeout(self.limit(15)):
            await self._stack.aclose()

    async def _make(self, role: str, plugin: dict[str, Any]) -> Any:
        given = await self.harness.options()
        url = type(self.harness)(given["url"], registry=self.registry).url_with(**plugin)
        target = resolve_role(Settings(url=parse_url(url)), "broker", self.registry)
        factory = getattr(target.descriptor, role)
        if factory is None:
            raise PluginError(f"backend {target.descriptor.name!r} has no {role}")
        return factory(target.options, BackendContext(SystemClock(), client_id="kit"))


def _now() -> float:
    return SystemClock().time()
