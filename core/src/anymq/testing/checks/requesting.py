"""Request and reply: each answer to who asked, errors as data, late answers dropped."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.app import App
from anymq.errors import AnyMQError, RequestFailed, RequestTimeout
from anymq.events import ReplyDropped
from anymq.message import Delivery
from anymq.outcome import DeadLetter
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect

__all__: list[str] = []

REQUESTS = 20
CONVERSATION = "conversation-9"
POLICY = RetryPolicy(max_attempts=2, immediate=1, first_delay_s=0.05, jitter=0)


async def _no_replies(bench: Bench) -> None:
    app = await bench.app()
    topic = app.topic(bench.topic())
    await bench.started(app)
    try:
        await app.request(topic, bench.body(0), timeout_s=bench.limit(2))
    except AnyMQError as error:
        expect(error.code == "unsupported", f"a request without request_reply raises {error!r}")
        return
    raise CheckFailed("a request was answered, although the backend lacks request_reply")


@check("TSK-05", "request_reply", needs=("request_reply",), negative=_no_replies, limit_s=45.0)
async def request_reply(bench: Bench) -> None:
    """Replies reach who asked, and nobody else; the conversation's id travels both ways."""
    server, one, other = await bench.app(), await bench.app(), await bench.app()
    topic, seen, gate = server.topic(bench.topic()), list[str](), asyncio.Event()

    async def answers(value: Any, delivery: Delivery) -> Any:
        seen.append(delivery.correlation_id)
        if value == "slow":
            await gate.wait()
        if value == "raise":
            raise LookupError("no such shelf")
        if value == "refuse":
            return DeadLetter("no such thing")
        return {"twice": value if isinstance(value, str) else 2 * value}

    bench.collect(server, topic, group="g", concurrency=8, behaviour=answers, retry=POLICY)
    for app in (server, one, other):
        await bench.started(app)
    await _check_answers(bench, topic, one, other)
    await _check_errors(bench, topic, one)
    await _check_address(bench, topic, server, seen)
    await _check_late(bench, topic, one, gate)


async def _ask(bench: Bench, app: App, topic: str, value: Any, **options: Any) -> Any:
    bench.sent += 1
    options.setdefault("timeout_s", bench.limit(8))
    return await app.request(topic, bench.body(value), **options)


async def _check_answers(bench: Bench, topic: str, one: App, other: App) -> None:
    """The very first requests are answered, too, and those of two processes never mixed."""
    async with asyncio.TaskGroup() as tasks:
        asked = [
            (value, tasks.create_task(_ask(bench, app, topic, value)))
            for number in range(REQUESTS)
            for app, value in ((one, number), (other, 1000 + number))
        ]
    for value, task in asked:
        expect(task.result() == {"twice": 2 * value}, f"{value} was answered {task.result()}")
    await bench.quiet()
    strays = [event for event in bench.events if isinstance(event, ReplyDropped)]
    expect(not strays, f"{len(strays)} replies came to a process that had not asked")


async def _check_errors(bench: Bench, topic: str, app: App) -> None:
    for value, kind, text in (
        ("raise", "LookupError", "no such shelf"),
        ("refuse", "DeadLetter", "no such thing"),
    ):
        try:
            found = await _ask(bench, app, topic, value)
        except RequestFailed as error:
            told = (error.error_type, error.message)
            expect(told == (kind, text), f"a handler's {kind}({text!r}) came back as {told}")
        else:
            raise CheckFailed(f"a handler that failed answered {found}")


async def _check_address(bench: Bench, topic: str, server: App, seen: list[str]) -> None:
    """A reply to an address of one's own names the request, and keeps the correlation id."""
    client = await bench.app()
    inbox, got = client.topic(bench.topic("inbox")), list[Delivery]()

    @client.subscriber(inbox, group="g", name="inbox")
    async def collect(body: Any, delivery: Delivery) -> None:
        got.append(delivery)

    await bench.started(client)
    sent = await client.publish(topic, bench.body(7), reply_to=inbox, correlation_id=CONVERSATION)
    await bench.wait(lambda: bool(got), "a reply at an address of one's own")
    expect(CONVERSATION in seen, "the handler did not see the request's correlation id")
    reply = got[0]
    expect(reply.correlation_id == CONVERSATION, f"the reply belongs to {reply.correlation_id!r}")
    expect(reply.causation_id == sent, f"the reply answers {reply.causation_id!r}, not {sent!r}")
    expect(reply.value == {"twice": 14}, f"the reply is {reply.value}")


async def _check_late(bench: Bench, topic: str, app: App, gate: asyncio.Event) -> None:
    """Who asked waits no longer than it said; what comes then is dropped, and told once."""
    try:
        await _ask(bench, app, topic, "slow", timeout_s=0.2)
    except RequestTimeout:
        gate.set()
    else:
        raise CheckFailed("a reply came before the handler returned")
    dropped: list[Any] = []

    def is_told() -> bool:
        dropped[:] = [event for event in bench.events if isinstance(event, ReplyDropped)]
        return bool(dropped)

    await bench.wait(is_told, "the late reply to be dropped and told")
    found = await _ask(bench, app, topic, 4)
    expect(found == {"twice": 8}, f"after a late reply 4 was answered {found}")
    is_told()
    expect(len(dropped) == 1, f"one late reply was told {len(dropped)} times")
