"""Configuration: what is wrong stops the start, before anything is connected, and is named."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from pydantic import create_model

from anymq.app import App
from anymq.config import RoleSettings, Settings, resolve_role
from anymq.config.model import RetryOverride, SubscriberOverride
from anymq.errors import ConfigError
from anymq.message import Delivery
from anymq.pipeline.context import Context
from anymq.plugins.registry import Registry
from anymq.plugins.selection import Selection
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.decoys import Subject, subject_of
from anymq.urls import BackendUrl

__all__ = ["refused", "spied"]


async def refused(bench: Bench, app: App, *named: str) -> None:
    """Fail unless the start raises ConfigError that names these, and nothing runs."""
    try:
        await bench.started(app)
    except ConfigError as error:
        missing = [text for text in named if text not in str(error)]
        expect(not missing, f"the error does not name {missing}: {error}")
        expect(app.state == "stopped", f"the application is {app.state} after a refused start")
        return
    raise CheckFailed(f"the application started, though {named[0]!r} is wrong")


def spied(plugin: Subject, made: list[Any], **required: Any) -> Registry:
    """The backend alone, with options it cannot do without, and a factory that tells of calls."""
    model: Any = create_model("KitOptions", __base__=plugin.descriptor.options, **required)
    factory = plugin.descriptor.broker

    def make(options: Any, context: Any) -> Any:
        made.append(options)
        if factory is None:
            raise CheckFailed("the backend has no Broker")
        return factory(options, context)

    registry = Registry(entries=(), selection=Selection())
    changes: dict[str, Any] = {"options": model, "broker": make}
    registry.register(replace(plugin.descriptor, **changes), name="kit-spy")
    return registry


@check("CFG-06", "unknown_backend_lists_choices")
async def unknown_backend(bench: Bench) -> None:
    """The error lists what is installed and says which package to install."""
    plugin = await subject_of(bench)
    known = {"redis": "anymq-redis", "kafka": "anymq-kafka"}
    scheme = next(name for name in known if name not in plugin.descriptor.schemes)
    for url, named in (
        (f"{scheme}://localhost", (scheme, plugin.scheme, f"pip install '{known[scheme]}'")),
        ("kit-nonsense://localhost", ("kit-nonsense", plugin.scheme)),
        (f"{plugin.scheme}x://localhost", (f"{plugin.scheme}x", repr(plugin.scheme))),
    ):
        app = App(url, registry=plugin.registry(alone=True))
        await refused(bench, app, *named)


@check("CFG-08", "missing_required_option_fails_at_start")
async def missing_option(bench: Bench) -> None:
    """A ConfigError that names the option, before the plugin is even made."""
    plugin = await subject_of(bench)
    made: list[Any] = []
    app = await bench.app()
    app._parts.registry = spied(plugin, made, kit_needed=(str, ...))
    await refused(bench, app, "kit_needed")
    expect(not made, "the plugin was made before its options were complete")
    fields = plugin.descriptor.options.model_fields
    for name in [name for name, field in fields.items() if field.is_required()]:
        await _lacks(bench, plugin, name)
    try:
        resolve_role(Settings(), "broker", plugin.registry(alone=True))
    except ConfigError as error:
        expect("url" in str(error), f"the error does not name the key 'url': {error}")
    else:
        expect("sqlite" in plugin.descriptor.schemes, "without any URL a backend was chosen")


async def _lacks(bench: Bench, plugin: Subject, name: str) -> None:
    url = plugin.url
    parts: dict[str, Any] = {"host": "", "port": None, "path": ""}
    query = {key: value for key, value in url.query.items() if key != name}
    gone: dict[str, Any] = {name: parts[name]} if name in parts else {}
    without = replace(url, query=query, **gone)
    await refused(bench, App(settings=Settings(url=without), registry=plugin.registry()), name)


@check("CFG-09", "unknown_option_rejected")
async def unknown_option(bench: Bench) -> None:
    """A misspelt option is an error with a suggestion, wherever it stands; so is a bad value."""
    plugin = await subject_of(bench)
    made: list[Any] = []
    cases: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
        ({"plugin": {"kit_typo": 1}}, ("kit_typo",)),
        ({"plugin": {"conect_timeout_s": 1}}, ("conect_timeout_s", "connect_timeout_s")),
        ({"plugin": {"connect_timeout_s": "soon"}}, ("connect_timeout_s",)),
        ({"plugin": {"request_timeout_s": -1}}, ("request_timeout_s",)),
        ({"broker": RoleSettings(options={"kit_typo": 1})}, ("kit_typo",)),
        ({"subscribers": {"nobody": SubscriberOverride(concurrency=2)}}, ("nobody",)),
    )
    for options, named in cases:
        app = await bench.app(**options)
        app._parts.registry = spied(plugin, made)
        await refused(bench, app, *named)
    expect(not made, "the plugin was made before its options were checked")


@check("CFG-10", "channel_overrides_backend_default")
async def overrides(bench: Bench) -> None:
    """The role's table wins over defaults, a subscriber's over the code; handlers know its name."""
    plugin = await subject_of(bench)
    made: list[Any] = []
    topic_name = bench.topic()
    override = SubscriberOverride(concurrency=3, retry=RetryOverride(max_attempts=2))
    app = await bench.app(
        broker=RoleSettings(options={"connect_timeout_s": 7.5}), subscribers={"mine": override}
    )
    app._parts.registry = spied(plugin, made)
    topic = app.topic(topic_name)
    gate, names, calls = asyncio.Event(), set[str](), list[int]()
    running = peak = 0
    policy = RetryPolicy(max_attempts=9, first_delay_s=0.02, jitter=0)

    @app.subscriber(topic, group="g", name="mine", concurrency=1, retry=policy)
    async def mine(body: Any, delivery: Delivery, context: Context[Any]) -> None:
        nonlocal running, peak
        names.add(context.subscriber)
        if body["v"] == "fails":
            calls.append(delivery.attempt)
            raise RuntimeError("on purpose")
        running += 1
        peak = max(peak, running)
        await gate.wait()
        running -= 1

    await bench.started(app)
    expect(made[0].connect_timeout_s == 7.5, f"made with {made[0].connect_timeout_s}, not 7.5")
    await bench.publish(app, topic, *range(6))
    await bench.wait(lambda: running == 3, "three handlers at once, as the override says")
    await bench.quiet()
    expect(peak == 3, f"{peak} handlers at once with an override of 3")
    gate.set()
    await bench.publish(app, topic, "fails")
    await bench.wait(lambda: len(calls) == 2, "two attempts, as the override says")
    await bench.quiet(0.3)
    expect(calls == [1, 2], f"attempts {calls} with an override of max_attempts=2")
    expect(names == {"mine"}, f"handlers were told the names {names}")
    await _own_url_wins(bench, plugin)


async def _own_url_wins(bench: Bench, plugin: Subject) -> None:
    """``broker.url`` wins over the URL of all roles."""
    settings = Settings(
        url=BackendUrl("kit-nonsense", "elsewhere"), broker=RoleSettings(url=plugin.url)
    )
    target = resolve_role(settings, "broker", plugin.registry())
    expect(target.url.scheme == plugin.scheme, f"the role's own URL lost to {target.url}")
