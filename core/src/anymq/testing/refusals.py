"""The negative variants: how a backend that cannot do something must refuse, at start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anymq.app import App
from anymq.errors import UnsupportedError
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, CheckFunction

__all__ = ["REFUSALS", "refuses"]


async def refuses(bench: Bench, app: App, *, naming: str) -> None:
    """Fail unless the start raises UnsupportedError that names the capability."""
    try:
        await bench.started(app)
    except UnsupportedError as error:
        if naming not in str(error) and naming.replace("_", " ") not in str(error):
            raise CheckFailed(f"the refusal does not name {naming!r}: {error}") from None
        return
    raise CheckFailed(f"the application started, although the backend lacks {naming}")


async def _persistent(bench: Bench) -> None:
    app = await bench.app()
    app.topic(bench.topic("durable"), durability="process_crash")
    await refuses(bench, app, naming="persistent")


def _subscriber(capability: str, **options: Any) -> CheckFunction:
    async def refused(bench: Bench) -> None:
        app = await bench.app()
        topic = bench.topic()
        pattern = options.pop("pattern", None)
        bench.collect(app, f"{topic}.{pattern}" if pattern else topic, group="g", **options)
        await refuses(bench, app, naming=capability)

    return refused


def _publish(capability: str, **options: Any) -> CheckFunction:
    async def refused(bench: Bench) -> None:
        app = await bench.app()
        topic = app.topic(bench.topic(), priorities=capability == "priority")
        try:
            await bench.started(app)
            await app.publish(topic, bench.body(0), **options)
        except UnsupportedError:
            return
        raise CheckFailed(
            f"publish({options}) was accepted, although the backend lacks {capability}"
        )

    return refused


async def _batch_atomic(bench: Bench) -> None:
    app = await bench.app()
    topic = app.topic(bench.topic())
    await bench.started(app)
    try:
        await app.publish_many(topic, [bench.body(0)], atomic=True)
    except UnsupportedError:
        return
    raise CheckFailed("publish_many(atomic=True) was accepted, although it is unsupported")


REFUSALS: Mapping[str, CheckFunction] = {
    "persistent": _persistent,
    "order_by_key": _subscriber("order_by_key", order="key"),
    "wildcard_subscribe": _subscriber("wildcard_subscribe", pattern="*"),
    "consumer_groups": _subscriber("consumer_groups"),
    "delayed_delivery": _publish("delayed_delivery", delay_s=1),
    "ttl": _publish("ttl", ttl_s=60),
    "priority": _publish("priority", priority="high"),
    "batch_atomic": _batch_atomic,
}
"""By capability. A check may bring its own negative variant instead."""
