"""What ``app.publish`` and ``app.publish_many`` send, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from anymq import (
    App,
    Confirmed,
    PublishRejected,
    Rejected,
    UnsupportedError,
)
from anymq.capabilities import Capabilities, Support
from anymq.emulation.delay import DelayRoute
from anymq.emulation.priority import PriorityRoute
from anymq.portable.outbound import Outbound
from anymq.support.partitioner import partition_of
from tests.unit.core.doubles import until


async def sent(app: App, *args: Any, **options: Any) -> Any:
    """The message that one publish makes."""
    async with app.test() as t:
        await app.publish(*args, **options)
        return t.published[-1]


async def test_every_option_travels(app: App) -> None:
    """As it was given; times as moments of the application's clock."""
    app.topic("t")
    message = await sent(
        app,
        "t",
        {"a": 1},
        key="k",
        headers={"Color": "rot ß"},
        delay_s=10,
        ttl_s=60,
        priority="high",
        message_id="m1",
        correlation_id="c",
        causation_id="b",
        reply_to="somewhere",
    )

    assert (message.topic, message.body, message.id) == ("t", b'{"a":1}', "m1")
    assert (message.key, message.headers, message.priority) == ("k", {"Color": "rot ß"}, 2)
    assert message.due_at == message.timestamp + 10
    assert message.expires_at == message.timestamp + 60
    assert (message.correlation_id, message.causation_id, message.reply_to) == (
        "c",
        "b",
        "somewhere",
    )


async def test_publishing_returns_the_id(app: App) -> None:
    """A new one each time, unless one is given."""
    app.topic("t")
    async with app:
        first, second = await app.publish("t", 1), await app.publish("t", 1)
        assert await app.publish("t", 1, message_id="mine") == "mine"

    assert first != second


async def test_a_key_has_its_partition_and_no_key_takes_turns(app: App) -> None:
    """Murmur2 of the key, as everywhere; round robin without one."""
    app.topic("t", partitions=3)
    async with app.test() as t:
        await app.publish("t", 1, key="vendor-2")
        for _ in range(6):
            await app.publish("t", 1)
        partitions = [message.partition for message in t.published]

    assert partitions[0] == partition_of("vendor-2", 3)
    assert sorted(partitions[1:]) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("delay_s", [0, -5, None])
async def test_no_delay_is_no_delay(app: App, delay_s: float | None) -> None:
    """Zero, the past, and none at all."""
    app.topic("t")
    assert (await sent(app, "t", 1, delay_s=delay_s)).due_at is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"headers": {"": "x"}}, "non-empty str"),
        ({"headers": {1: "x"}}, "non-empty str"),
        ({"headers": {"n": 1}}, "header 'n' must be str, not int"),
        ({"headers": {"AnyMQ-x": "1"}}, "reserved"),
        ({"headers": {"TraceParent": "1"}}, "reserved"),
        ({"headers": {"a": "\ud800"}}, "surrogate"),
        ({"headers": {"\udfff": "a"}}, "surrogate"),
        ({"priority": "urgent"}, "low, normal, high"),
        ({"ttl_s": 0}, "positive"),
        ({"ttl_s": float("nan")}, "positive"),
        ({"delay_s": float("nan")}, "ten years"),
        ({"delay_s": 1e12}, "ten years"),
    ],
)
async def test_what_no_backend_can_carry_is_refused(
    app: App, options: dict[str, Any], told: str
) -> None:
    """Nothing was sent, and the text says what is wrong with what."""
    app.topic("t")
    async with app.test() as t:
        with pytest.raises(PublishRejected, match=told) as caught:
            await app.publish("t", 1, **options)
        assert t.published == []

    assert caught.value.code == "invalid"


async def test_many_have_a_result_each(app: App) -> None:
    """What cannot be encoded or is too large hides nothing else; keys go by place."""
    app.topic("t")
    async with app.test() as t:
        results = await app.publish_many(
            "t", [1, object(), 3, "x" * 2_000_000], keys=["a", "b", None, "d"]
        )
        keys = [(message.body, message.key) for message in t.published]

    assert [getattr(result, "code", "ok") for result in results] == [
        "ok",
        "invalid",
        "ok",
        "too_large",
    ]
    assert keys == [(b"1", "a"), (b"3", None)]


@pytest.mark.parametrize("keys", [["a"], ["a", "b", "c"]])
async def test_as_many_keys_as_bodies(app: App, keys: list[str]) -> None:
    """Else nobody could tell which is whose; nothing is sent."""
    app.topic("t")
    async with app.test() as t:
        with pytest.raises(PublishRejected, match=f"{len(keys)} keys for 2 bodies"):
            await app.publish_many("t", iter([1, 2]), keys=iter(keys))
        assert t.published == []


async def test_many_may_be_delayed_or_prioritised_together(app: App) -> None:
    """Options hold for all of them."""
    app.topic("t")
    async with app.test() as t:
        results = await app.publish_many("t", [1, 2], delay_s=5, priority="low")
        assert all(message.due_at for message in t.published)

    assert all(isinstance(result, Confirmed) for result in results)


async def test_an_atomic_batch_is_all_or_none(app: App) -> None:
    """One that cannot be built rejects every one."""
    app.topic("t")
    async with app.test() as t:
        results = await app.publish_many("t", [1, object(), 3], atomic=True)
        assert t.published == []
        assert [type(result) for result in results] == [Rejected] * 3
        assert await app.publish_many("t", [1, 2], atomic=True)
        assert len(t.published) == 2


async def test_atomic_batches_need_a_backend_that_has_them(url: str) -> None:
    """The text names what is missing."""
    app = App(f"{url}?native=none")
    app.topic("t")
    async with app:
        with pytest.raises(UnsupportedError, match="batch_atomic"):
            await app.publish_many("t", [1], atomic=True)


async def test_a_group_may_be_required(app: App) -> None:
    """A topic without one rejects; one that has is believed for a while without asking."""
    app.topic("empty")
    asked: list[int] = []

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None: ...

    async with app.test() as t:
        with pytest.raises(PublishRejected, match="has no group") as caught:
            await app.publish("empty", 1, require_group=True)
        assert caught.value.code == "no_group"
        with pytest.raises(PublishRejected) as caught:
            await app.publish("unknown", 1, require_group=True)
        assert caught.value.code == "not_found"

        outgoing = app._lifecycle.outgoing
        management = outgoing._management
        outgoing._management = lambda: [asked.append(1), management()][1]  # type: ignore[func-returns-value,return-value]
        for _ in range(3):
            await app.publish("t", 1, require_group=True)
        assert len(asked) == 1
        await t.advance(31)
        await app.publish("t", 1, require_group=True)
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("name", "field"),
    [("delayed_delivery", "delay_s"), ("ttl", "ttl_s"), ("priority", "priority")],
)
async def test_an_option_that_the_backend_lacks_is_refused(app: App, name: str, field: str) -> None:
    """Where core does not emulate it either; other messages pass."""
    app.topic("t")
    async with app:
        whole = app._lifecycle.outgoing
        lacking = Capabilities(dict.fromkeys([name], Support.UNSUPPORTED), frozenset())
        clock = app._parts.clock
        out = Outbound(
            whole._builder,
            whole._publisher,
            Capabilities(
                {n: Support.NATIVE for n in ("delayed_delivery", "ttl", "priority") if n != name},
                lacking.handles,
            ),
            DelayRoute(frozenset({"due_at"}), clock),
            PriorityRoute(frozenset({"priority"}), {}),
            management=app.management,
            clock=clock,
        )
        value: Any = {"delay_s": 5, "ttl_s": 5, "priority": "low"}[field]
        with pytest.raises(UnsupportedError, match=name):
            out.build("t", 1, **{field: value})
        for other in {"delay_s", "ttl_s", "priority"} - {field}:
            out.build("t", 1, **{other: {"priority": "low"}.get(other, 5)})


async def test_what_is_too_old_is_dropped_and_told(app: App) -> None:
    """Before its handler: a message may expire on its way."""
    from anymq.events import MessageDropped
    from tests.unit.core.doubles import a_delivery

    heard: list[Any] = []
    app.on_event(heard.append)

    @app.subscriber("t", group="g", name="c")
    async def handle(body: int) -> None:
        raise AssertionError("too old to be handled")

    async with app.test() as t:
        consumer = app.consumers["c"]
        late = a_delivery(5, expires_at=t.clock.time() - 1, token=-1)
        consumer._intake.held += 1
        consumer._admission.accept([late])
        await until(lambda: any(isinstance(event, MessageDropped) for event in heard))

    assert MessageDropped("t", "g", "m5", "expired") in heard
