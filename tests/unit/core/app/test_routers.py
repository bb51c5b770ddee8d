"""Routers, declarations, and the mistakes that are found while they are made."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from anymq import App, ConfigError, Delivery, RetryPolicy, Router
from anymq.middleware.chain import Call
from anymq.outcome import Outcome


async def ignore(body: Any) -> None: ...


async def test_a_router_is_taken_over_with_its_prefixes(app: App) -> None:
    """Its own, that of the include, and those of routers within."""
    seen: list[tuple[str, str]] = []
    inner, outer = Router(prefix="in."), Router(prefix="out.")

    @inner.subscriber("t", group="g")
    @inner.publisher("done")
    async def handle(body: str, delivery: Delivery) -> str:
        seen.append((delivery.topic, body))
        return "done"

    inner.topic("done", partitions=2)
    outer.include(inner, prefix="mid.")
    app.include(outer, prefix="app.")

    async with app.test() as t:
        await app.publish("app.out.mid.in.t", "x")
        await t.settle()
        topics = {message.topic for message in t.published}

    assert seen == [("app.out.mid.in.t", "x")]
    assert topics == {"app.out.mid.in.t", "app.out.mid.in.done"}
    assert app.declarations.topics["app.out.mid.in.done"].partitions == 2


async def test_a_routers_middleware_stands_between_the_apps_and_the_subscribers(app: App) -> None:
    """Outer routers before inner ones."""
    steps: list[str] = []

    def layer(name: str) -> Any:
        async def around(delivery: Delivery, call_next: Call) -> Outcome:
            steps.append(name)
            return await call_next(delivery)

        return around

    app.middleware.append(layer("app"))
    inner, outer = Router(middleware=[layer("inner")]), Router(middleware=[layer("outer")])
    inner.subscriber("t", group="g", middleware=(layer("own"),))(ignore)
    outer.include(inner)
    app.include(outer)
    app.subscriber("t", group="h", name="other")(ignore)

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()

    assert sorted(steps) == sorted(["app", "outer", "inner", "own", "app"])
    assert steps.index("outer") < steps.index("inner") < steps.index("own")


@pytest.mark.parametrize("make", [App, Router])
def test_a_publisher_without_a_subscriber_of_its_router_is_refused(
    make: Callable[[], App | Router],
) -> None:
    """It would publish nothing, in silence: the App that subscribes knows nothing of it."""
    router = Router()
    router.publisher("out")(ignore)
    make().subscriber("t", group="g")(ignore)

    with pytest.raises(ConfigError, match=r"'out'.* on ignore .*same App or Router above it"):
        make().include(router)


async def test_a_publisher_without_a_subscriber_is_refused_at_the_start(app: App) -> None:
    """An App is told before it connects."""
    app.publisher("out")(ignore)

    with pytest.raises(ConfigError, match="would publish nothing"):
        await app.start()
    assert app.state == "new"


def test_a_router_serves_several_apps() -> None:
    """It stays as it is."""
    router = Router()
    router.subscriber("t", group="g")(ignore)
    first, second = App(), App()
    first.include(router, prefix="a.")
    second.include(router)

    assert first.declarations.subscribers[0].topics == ("a.t",)
    assert second.declarations.subscribers[0].topics == ("t",)


def test_a_prefix_that_makes_no_topic_is_refused(app: App) -> None:
    """When it is included."""
    router = Router()
    router.topic("t")
    with pytest.raises(ConfigError, match=r"Shop\.t"):
        app.include(router, prefix="Shop.")


def test_the_topic_returned_is_its_name(app: App) -> None:
    """A string that can be published to and subscribed."""
    topic = app.topic("orders", partitions=3)
    app.topic("orders", partitions=3)

    assert topic == "orders"
    app.subscriber(topic, group="g")(ignore)
    assert app.declarations.subscribers[0].topics == ("orders",)


@pytest.mark.parametrize(
    ("declare", "told"),
    [
        (lambda app: app.topic("T"), "no topic name"),
        (lambda app: app.topic("t", partitions=0), "partitions=0 must be >= 1"),
        (lambda app: app.topic("t", durability="forever"), "node_loss"),
        (lambda app: [app.topic("t"), app.topic("t", partitions=2)], "twice and differently"),
        (lambda app: [app.topic("a.b"), app.topic("a_b")], "differ only in '.' and '_'"),
        (lambda app: app.publisher("T"), "no topic name"),
        (lambda app: app.subscriber(group="g")(ignore), "at least one topic"),
        (lambda app: app.subscriber("T")(ignore), "no topic name"),
        (lambda app: app.subscriber("a*")(ignore), "no topic pattern"),
        (lambda app: app.subscriber("t", group="G")(ignore), "no group name"),
        (lambda app: app.subscriber("t", concurrency=0)(ignore), "concurrency=0"),
        (lambda app: app.subscriber("t", prefetch=0)(ignore), "prefetch=0"),
        (lambda app: app.subscriber("t", order="time")(ignore), "order='time'"),
        (lambda app: app.subscriber("t", ack="never")(ignore), "ack='never'"),
        (lambda app: app.subscriber("t", timeout_s=0)(ignore), "timeout_s=0"),
        (lambda app: app.subscriber("t", max_deliveries=0)(ignore), "max_deliveries=0"),
        (lambda app: app.subscriber("t", max_block_s=-1)(ignore), "max_block_s=-1"),
        (lambda app: app.subscriber("t", timeout_s=1)(lambda body: None), "thread cannot be"),
        (
            lambda app: [app.subscriber(t, group="g")(ignore) for t in ("a", "b")],
            "pass name= to one",
        ),
        (
            lambda app: [
                app.subscriber("a", "c", group="g", name=name)(ignore) for name in ("x", "y")
            ],
            "both read topic 'a' as group 'g'",
        ),
    ],
)
def test_a_mistake_is_told_when_it_is_made(
    app: App, declare: Callable[[App], Any], told: str
) -> None:
    """With what is wrong; what was declared for a subscriber names the line."""
    with pytest.raises(ConfigError) as caught:
        declare(app)

    assert told in str(caught.value)


def test_an_error_of_a_subscriber_names_its_line(app: App) -> None:
    """File and line of the decorator, for a long module."""
    with pytest.raises(ConfigError, match=r"'ignore' \(.*test_routers\.py:\d+\)"):
        app.subscriber("t", concurrency=0)(ignore)


async def test_a_filter_by_header_lets_only_those_through(app: App) -> None:
    """All of its headers must be as said; others are acknowledged unhandled."""
    seen: list[int] = []

    @app.subscriber("t", group="g", filter={"color": "red", "size": "l"})
    async def handle(body: int) -> None:
        seen.append(body)

    async with app.test() as t:
        for body, headers in enumerate(
            ({"color": "red", "size": "l"}, {"color": "red"}, None, {"color": "blue", "size": "l"})
        ):
            await app.publish("t", body, headers=headers)
        await t.settle()
        assert await app.dead_letters.entries("t", "g") == []

    assert seen == [0]


async def test_a_filter_may_be_a_function(app: App) -> None:
    """Of the delivery, before its body is decoded."""
    seen: list[str] = []

    @app.subscriber("t", group="g", filter=lambda delivery: delivery.key == "a")
    async def handle(body: str) -> None:
        seen.append(body)

    async with app.test() as t:
        await app.publish_many("t", ["x", "y"], keys=["a", "b"])
        await t.settle()

    assert seen == ["x"]


@pytest.mark.parametrize(
    ("policy", "dead"),
    [
        (RetryPolicy(max_attempts=1), 1),
        (RetryPolicy(max_attempts=2, immediate=5, first_delay_s=1), 1),
        (RetryPolicy(max_attempts=1, on_exhausted="drop"), 0),
    ],
)
async def test_a_filter_that_raises_fails_its_message_alone(
    app: App, policy: RetryPolicy, dead: int
) -> None:
    """By the policy; hooks hear of it; others are handled."""
    seen: list[str] = []
    hooked: list[BaseException] = []

    @app.on_error
    async def hook(delivery: Delivery, error: BaseException) -> None:
        hooked.append(error)

    @app.subscriber(
        "t", group="g", order="key", retry=policy, filter=lambda d: d.headers["kind"] == "a"
    )
    async def handle(body: str) -> None:
        seen.append(body)

    async with app.test() as t:
        await app.publish("t", "bad", key="k")
        await app.publish("t", "good", key="k", headers={"kind": "a"})
        await t.settle()
        await t.advance(5)
        await t.settle()
        assert len(await app.dead_letters.entries("t", "g")) == dead

    assert seen == ["good"]
    assert len(hooked) == policy.max_attempts


async def test_a_filter_may_stop_its_subscriber(app: App) -> None:
    """As its handler may: the message goes back, health is down."""

    def broken(delivery: Delivery) -> bool:
        raise LookupError("x")

    policy = RetryPolicy(max_attempts=1, on_exhausted="stop")
    app.subscriber("t", group="g", retry=policy, filter=broken)(ignore)

    async with app.test() as t:
        await app.publish("t", 1)
        await app.wait_failed()
        assert not (await app.health()).ready
        (group,) = await t.management().groups("t")
        assert (group.ready or 0) + (group.in_flight or 0) == 1


async def test_a_release_again_and_again_is_slowed_down(app: App) -> None:
    """The first at once, later ones after 0.05 s, 0.1 s, … up to a second."""
    from anymq import Release

    moments: list[float] = []

    @app.subscriber("t", group="g")
    async def handle(body: int) -> Release | None:
        moments.append(t.clock.monotonic())
        return Release() if len(moments) < 10 else None

    async with app.test() as t:
        await app.publish("t", 1)
        for _ in range(100):
            await t.advance(0.1)
        await t.settle()

    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps[0] == 0
    assert all(gap >= 0.05 for gap in gaps[1:])
    assert gaps[-1] == pytest.approx(1, abs=0.11)
