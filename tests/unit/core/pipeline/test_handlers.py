"""How handlers are called: with what, where, and what their results mean."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fast_depends import Depends

from anymq import Ack, App, Context, Delivery, RetryPolicy
from tests.unit.core.doubles import until
from tests.unit.core.pipeline.failing import failures

NUMBER: contextvars.ContextVar[int] = contextvars.ContextVar("NUMBER", default=0)
ONCE = RetryPolicy(max_attempts=1)


async def test_everything_a_handler_may_ask_for(app: App) -> None:
    """Body, delivery, context with the subscriber's facts, and the app."""
    seen: list[Any] = []

    @app.subscriber("t", group="g", name="named")
    async def handle(delivery: Delivery, body: int, context: Context[None], own: App) -> None:
        context.items["count"] = context.items.get("count", 0) + 1
        seen.append((body, delivery.value, delivery.topic, delivery.group, own is app))
        seen.append((context.subscriber, context.topics, context.group, context.items["count"]))

    async with app.test() as t:
        await app.publish_many("t", [5, 6])
        await t.settle()

    assert seen == [
        (5, 5, "t", "g", True),
        ("named", ("t",), "g", 1),
        (6, 6, "t", "g", True),
        ("named", ("t",), "g", 2),
    ]


async def test_handlers_of_every_shape_are_called(app: App) -> None:
    """Without a body, with a keyword-only one, an object, a partial function."""
    seen: list[str] = []

    async def keyword(*, body: int) -> None:
        seen.append(f"keyword {body}")

    async def nothing() -> None:
        seen.append("nothing")

    async def extra(what: str, body: int) -> None:
        seen.append(f"{what} {body}")

    class Counter:
        async def __call__(self, body: int) -> None:
            seen.append(f"object {body}")

    handlers = [keyword, nothing, functools.partial(extra, "partial"), Counter()]
    for index, handler in enumerate(handlers):
        app.subscriber("t", group=f"g{index}", name=f"h{index}")(handler)

    async with app.test() as t:
        await app.publish("t", 7)
        await t.settle()

    assert sorted(seen) == ["keyword 7", "nothing", "object 7", "partial 7"]


async def test_a_plain_handler_runs_in_a_thread_with_the_callers_context(app: App) -> None:
    """The loop goes on; context variables are those of the consumer's start; results count."""
    seen: list[tuple[bool, int]] = []
    main = threading.current_thread()

    @app.subscriber("t", group="g", retry=ONCE)
    def handle(body: int) -> Ack:
        seen.append((threading.current_thread() is main, NUMBER.get()))
        NUMBER.set(99)
        if body == 2:
            raise LookupError("from the thread")
        return Ack()

    NUMBER.set(42)
    async with app.test() as t:
        await app.publish_many("t", [1, 2, 3])
        await until(lambda: len(seen) == 3)
        await t.settle()
        assert await failures(app) == ["from the thread"]

    assert seen == [(False, 42)] * 3


async def test_plain_handlers_run_as_many_at_once_as_said(app: App) -> None:
    """A thread for each of the subscriber's slots, and no more."""
    barrier = threading.Barrier(3, timeout=5)
    met: list[int] = []

    @app.subscriber("t", group="g", concurrency=3)
    def handle(body: int) -> None:
        barrier.wait()
        met.append(body)

    async with app:
        await app.publish_many("t", range(6))
        await until(lambda: len(met) == 6)


async def test_a_plain_handler_that_returns_a_coroutine_has_not_done_its_work(app: App) -> None:
    """A wrapper that hides an async function: a failure, never a silent success."""

    async def hidden(body: int) -> None: ...

    def wrapper(*args: Any, body: Any = None) -> Any:
        return hidden(body)

    @app.subscriber("t", group="g", retry=ONCE)
    def handle(body: int) -> Any:
        return wrapper(body)

    async with app.test() as t:
        await app.publish("t", 1)
        await until(lambda: True)
        await t.settle()
        (text,) = await failures(app)

    assert "async def" in text


async def test_a_time_limit_is_a_failure(app: App) -> None:
    """The handler is cancelled and its message retried like after any error."""
    errors: list[BaseException] = []

    @app.on_error
    async def hook(delivery: Delivery, error: BaseException) -> None:
        errors.append(error)

    @app.subscriber("t", group="g", timeout_s=0.01, retry=ONCE)
    async def handle(body: int) -> None:
        await asyncio.Event().wait()

    async with app.test():
        await app.publish("t", 1)
        await until(lambda: errors)

    assert isinstance(errors[0], TimeoutError)


async def test_dependencies_are_resolved_for_every_message(app: App) -> None:
    """Async, plain, with something to clean up, and dependencies of dependencies."""
    steps: list[str] = []

    def plain() -> str:
        steps.append("plain")
        return "plain"

    async def nested(first: Annotated[str, Depends(plain)]) -> str:
        return f"nested {first}"

    async def opened() -> AsyncIterator[str]:
        steps.append("open")
        yield "resource"
        steps.append("close")

    async def handle(
        body: int,
        delivery: Delivery,
        one: Annotated[str, Depends(nested)],
        two: Annotated[str, Depends(opened)],
        context: Context[None],
        three: str = Depends(plain),
    ) -> None:
        steps.append(f"{body} {delivery.id} {one} {two} {three} {context.subscriber}")

    handle.__annotations__ = {
        "body": int,
        "delivery": Delivery,
        "one": Annotated[str, Depends(nested)],
        "two": Annotated[str, Depends(opened)],
        "context": Context[None],
        "three": str,
    }
    nested.__annotations__ = {"first": Annotated[str, Depends(plain)], "return": str}
    app.subscriber("t", group="g")(handle)

    async with app.test() as t:
        await app.publish("t", 7, message_id="m1")
        await t.settle()

    assert "7 m1 nested plain resource plain handle" in steps
    assert steps.index("open") < steps.index("close") == len(steps) - 1


async def test_a_dependency_that_fails_fails_its_message(app: App) -> None:
    """Like the handler itself."""

    def broken() -> int:
        raise LookupError("no database")

    async def handle(body: int, number: Any) -> None: ...

    handle.__annotations__ = {"body": int, "number": Annotated[int, Depends(broken)]}
    app.subscriber("t", group="g", retry=ONCE)(handle)

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        assert await failures(app) == ["no database"]
