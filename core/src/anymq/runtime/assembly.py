"""Puts an App together on its open engine: topology, way out, consumers, movers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anymq.emulation.priority import PriorityRoute, with_levels
from anymq.portable.dead_letters import DeadLetters
from anymq.portable.outbound import Outbound
from anymq.portable.outgoing import MessageBuilder
from anymq.portable.plan import ErrorHook
from anymq.portable.replies import Replies
from anymq.portable.requests import Requests
from anymq.runtime.engine import Engine, topology_of
from anymq.runtime.parts import AppParts
from anymq.runtime.planning import PlanParts, check_overrides, make_plan
from anymq.runtime.requirements import check_uses, uses_of
from anymq.runtime.stream_role import StreamRole
from anymq.telemetry import Telemetry
from anymq.topology import Topology

if TYPE_CHECKING:
    from anymq.app import App

__all__ = ["Assembly", "assemble", "make_engine", "make_streams", "topology_for"]


@dataclass(frozen=True, slots=True)
class Assembly:
    """What stands between the App's methods and the engine."""

    outgoing: Outbound
    requests: Requests
    dead_letters: DeadLetters
    names: tuple[str, ...]
    """The subscribers that should run."""
    start: Callable[[], Awaitable[None]]
    """Starts them; called once the App can publish, because their handlers do."""

    def subscriber_states(self, engine: Engine) -> dict[str, str]:
        """Per subscriber what it does now."""
        states: dict[str, str] = {}
        for name in self.names:
            consumer = engine.consumers.get(name)
            if consumer is None:
                states[name] = "stopped"
            elif consumer.error is not None:
                states[name] = f"{type(consumer.error).__name__}: {consumer.error}"
            elif consumer.is_paused:
                states[name] = "paused"
            else:
                states[name] = "running" if consumer.is_running else "stopped"
        return states


def make_engine(app: App, parts: AppParts) -> Engine:
    """An engine for the configured backend, not yet open. Raises ConfigError, PluginError."""
    settings = parts.resolve_settings()
    check_overrides(settings, app.declarations.subscribers)
    return Engine(
        parts.resolve_target(),
        settings,
        clock=parts.clock,
        client_id=app.name,
        tell=app.tell,
        window=parts.publish_window,
        on_full=parts.on_full,
    )


def make_streams(app: App, parts: AppParts, engine: Engine) -> StreamRole:
    """The way to streams, not yet open; what it runs ends with the engine."""
    specs = app.declarations.streams
    return StreamRole(app.name, parts, specs=specs, tell=engine.tell, spawn=engine.spawn)


def topology_for(app: App, engine: Engine) -> Topology:
    """What the application needs on this backend, emulation included."""
    declared = topology_of(app.declarations.topics, app.declarations.subscribers)
    if "priority" in engine.capabilities.handles:
        return declared
    topics, groups = with_levels(declared.topics, declared.groups)
    return Topology(declared.topics + topics, declared.groups + groups)


async def assemble(
    app: App,
    parts: AppParts,
    engine: Engine,
    state: Any,
    error_hooks: Sequence[ErrorHook],
    *,
    consume: bool,
) -> Assembly:
    """Check and declare what the App declares. Raises what a start may raise."""
    settings = parts.resolve_settings()
    capabilities = engine.capabilities
    check_uses(
        uses_of(app.declarations),
        capabilities,
        backend=f"{engine.target.url.scheme}:// ({capabilities.server})",
        allow_emulation=settings.allow_emulation,
        registry=parts.resolve_registry(),
    )
    await engine.declare(topology_for(app, engine))
    telemetry = Telemetry.current(
        engine.target.descriptor.name, parts.tracer_provider, parts.meter_provider
    )
    codec, envelope = parts.resolve_codec(), parts.make_envelope(app.name)
    topics = {spec.name: spec for spec in topology_for(app, engine).topics}
    builder = MessageBuilder(
        codec,
        parts.clock,
        capabilities.max_message_bytes,
        {name: spec.partitions for name, spec in topics.items()},
        envelope,
        telemetry.stamps,
    )
    outgoing = Outbound(
        builder,
        engine.publisher,
        capabilities,
        engine.delays,
        PriorityRoute(capabilities.handles, topics),
        management=engine.broker.management,
        clock=parts.clock,
    )
    telemetry.watch(outgoing)
    engine.listeners = telemetry.listeners
    requests = Requests(app, engine, codec, envelope)

    async def start() -> None:
        await engine.start_movers()
        if consume:
            await _start(app, parts, engine, state, error_hooks, telemetry, outgoing)

    return Assembly(
        outgoing=outgoing,
        requests=requests,
        dead_letters=DeadLetters(engine.broker, engine.publisher.send_now),
        names=tuple(s.name for s in app.declarations.subscribers) if consume else (),
        start=start,
    )


async def _start(
    app: App,
    parts: AppParts,
    engine: Engine,
    state: Any,
    error_hooks: Sequence[ErrorHook],
    telemetry: Telemetry,
    outgoing: Outbound,
) -> None:
    async def publish(topic: str, body: Any, /, **options: Any) -> str:
        timeout_s = options.pop("timeout_s", None) or 10.0
        return await outgoing.send_one(topic, body, timeout_s, options)

    shared = PlanParts(
        app=app,
        state=state,
        codec=parts.resolve_codec(),
        envelope=parts.make_envelope(app.name),
        middleware=(*telemetry.middleware, *parts.extension_middleware(), *app.middleware),
        error_hooks=tuple(error_hooks),
        publish=publish,
        replies=Replies(publish, engine.publisher.publish, parts.clock),
        around_batch=telemetry.around_batch,
        settle_by_hand=engine.settle_by_hand,
        executor=engine.executor,
        settings=parts.resolve_settings(),
    )
    plans = [make_plan(spec, shared) for spec in app.declarations.subscribers]
    leveled: tuple[str, ...] = ()
    if "priority" not in engine.capabilities.handles:
        leveled = tuple(t.name for t in app.declarations.topics.values() if t.priorities)
    await engine.start_consumers(plans, leveled)
