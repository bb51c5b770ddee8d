"""What handlers publish, and the middleware around them."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq import Ack, App, Delivery, RetryPolicy
from anymq.middleware.chain import Call
from anymq.outcome import Outcome
from tests.unit.core.pipeline.failing import failures

ONCE = RetryPolicy(max_attempts=1)


async def test_what_a_handler_returns_is_published(app: App) -> None:
    """To every topic named, with the conversation's ids; not None, nor an Outcome."""
    app.topic("out")
    app.topic("copy")

    @app.subscriber("t", group="g")
    @app.publisher("out")
    @app.publisher("copy")
    async def handle(body: int) -> Any:
        return {1: "one", 2: None, 3: Ack()}[body]

    async with app.test() as t:
        await app.publish_many("t", [1, 2, 3], correlation_id="c")
        await t.settle()
        sent = [message for message in t.published if message.topic != "t"]

    assert sorted((m.topic, m.body, m.correlation_id) for m in sent) == [
        ("copy", b'"one"', "c"),
        ("out", b'"one"', "c"),
    ]


async def test_what_cannot_be_published_fails_its_handler(app: App) -> None:
    """Nothing is acknowledged whose result was lost."""

    @app.subscriber("t", group="g", retry=ONCE)
    @app.publisher("nowhere")
    async def handle(body: int) -> int:
        return body

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        (text,) = await failures(app)

    assert "nowhere" in text


async def test_publishing_in_a_handler_belongs_to_it(app: App) -> None:
    """Also when it is not awaited: the message is done when its publishes are."""
    app.topic("out")
    tasks: list[asyncio.Task[str]] = []

    @app.subscriber("t", group="g", retry=ONCE)
    async def handle(body: str, delivery: Delivery) -> None:
        group = asyncio.TaskGroup()
        await group.__aenter__()
        tasks.append(group.create_task(delivery.publish(body, 1)))
        await asyncio.sleep(0)

    async with app.test() as t:
        await app.publish("t", "out")
        await app.publish("t", "nowhere")
        await t.settle()
        (text,) = await failures(app)
        sent = [message for message in t.published if message.topic == "out"]

    assert "nowhere" in text
    assert len(sent) == 1
    assert isinstance(tasks[1].exception(), Exception)


async def test_middleware_wraps_from_the_app_inwards(app: App) -> None:
    """App, then subscriber, each in the order given; the body is decoded before all of them."""
    steps: list[str] = []

    def layer(name: str) -> Any:
        async def around(delivery: Delivery, call_next: Call) -> Outcome:
            steps.append(f"{name} {delivery.value}")
            outcome = await call_next(delivery)
            steps.append(f"/{name}")
            return outcome

        return around

    app.middleware += [layer("app-1"), layer("app-2")]

    @app.subscriber("t", group="g", middleware=(layer("own"),))
    async def handle(body: int) -> None:
        steps.append("handle")

    async with app.test() as t:
        await app.publish("t", 7)
        await t.settle()

    assert steps == ["app-1 7", "app-2 7", "own 7", "handle", "/own", "/app-2", "/app-1"]
