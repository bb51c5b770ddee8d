"""Declaring streams and appending to them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from anymq import (
    EARLIEST,
    App,
    ClosedError,
    ConfigError,
    Confirmed,
    DecodeError,
    InvalidState,
    MessageTooLarge,
    PublishRejected,
    Rejected,
    TopologyError,
    UnsupportedError,
    after,
    at,
)
from anymq.config import Settings
from anymq.memory.broker import MemoryBroker
from anymq.memory.capabilities import capabilities_of
from anymq.memory.options import MemoryOptions
from anymq.plugins import BackendDescriptor, hookimpl
from anymq.plugins.registry import Registry
from anymq.streams.handle import StreamHandle
from anymq.streams.record import StreamRecord
from anymq.topology import TopologyMode
from anymq.urls import parse_url


class Sale(BaseModel):
    shop: str
    copies: int


async def everything(stream: StreamHandle[Any], start: Any = EARLIEST) -> list[StreamRecord[Any]]:
    """All records from a start to the end."""
    return [record async for record in stream.read(start, follow=False)]


async def test_values_are_typed_both_ways(app: App) -> None:
    """A model goes in, a model comes out; what is no such model says so when it is looked at."""
    sales = app.stream("sales", Sale)
    async with app:
        await sales.append(Sale(shop="north", copies=3), key="north", headers={"till": "2"})
        await app.stream("sales").append({"shop": "south"})
        one, other = await everything(sales)

    assert one.value == Sale(shop="north", copies=3)
    assert (one.key, one.headers, one.partition, one.stream) == ("north", {"till": "2"}, 0, "sales")
    assert other.body == b'{"shop":"south"}'
    with pytest.raises(DecodeError):
        _ = other.value


async def test_appends_at_one_time_are_one_call_of_the_backend(app: App) -> None:
    """As publishes are."""
    stream = app.stream("s")
    async with app:
        narrow: Any = await app._lifecycle.streams.ready("s")
        calls: list[int] = []
        append = narrow.append

        async def counting(records: Any, **options: Any) -> Any:
            calls.append(len(records))
            return await append(records, **options)

        narrow.append = counting
        await asyncio.gather(*(stream.append(n) for n in range(50)))

    assert calls == [50]


async def test_a_batch_tells_of_each_entry(app: App) -> None:
    """What cannot be built hides nothing that can."""
    stream = app.stream("s", partitions=3)
    async with app:
        results = await stream.append_many([1, object(), 3], keys=["a", "b", "c"])
        with pytest.raises(PublishRejected, match="1 keys for 2 bodies"):
            await stream.append_many([1, 2], keys=["a"])
        found = await everything(stream)

    assert [type(result) for result in results] == [Confirmed, Rejected, Confirmed]
    assert [record.value for record in found] == [1, 3]


async def test_too_large_is_refused_before_sending(app: App) -> None:
    """As with publish."""
    stream = app.stream("s")
    async with app:
        limit = app._lifecycle.streams.capabilities
        with pytest.raises(MessageTooLarge):
            await stream.append("x" * (limit.max_message_bytes + 1))


async def test_a_stream_named_after_the_start_is_declared_when_it_is_used(app: App) -> None:
    """Nothing is connected before that."""
    async with app:
        assert "streams" not in (await app.health()).checks
        await app.stream("late").append(1)
        assert (await app.health()).checks["streams"] == "up"
        assert [record.value for record in await everything(app.stream("late"))] == [1]


@pytest.mark.parametrize("mode", [TopologyMode.VERIFY, TopologyMode.MANAGE])
async def test_topology_says_who_makes_streams(url: str, mode: TopologyMode) -> None:
    """With ``verify`` a missing one ends the start."""
    app = App(settings=Settings(url=parse_url(url), topology=mode))
    app.stream("s")
    if mode is TopologyMode.VERIFY:
        with pytest.raises(TopologyError, match="'s'"):
            await app.start()
        assert app.state == "stopped"
    else:
        async with app:
            assert await everything(app.stream("s")) == []


async def test_one_name_is_one_declaration(app: App) -> None:
    """A name alone means what was declared; another declaration is a mistake, told at once."""
    app.stream("s", partitions=3, max_records=10)

    assert app.stream("s").spec.max_records == 10
    with pytest.raises(ConfigError, match="declared twice"):
        app.stream("s", partitions=2)
    app.stream("a.b")
    with pytest.raises(ConfigError, match="differ only"):
        app.stream("a_b")
    with pytest.raises(ConfigError, match="no topic name"):
        app.stream("No")
    with pytest.raises(ConfigError, match="must be >= 1"):
        app.stream("t", partitions=-1)


async def test_the_state_of_the_application_counts(app: App) -> None:
    """Before the start, and after the close."""
    stream = app.stream("s")
    with pytest.raises(InvalidState):
        await stream.append(1)
    async with app:
        await stream.append(1)
    with pytest.raises(ClosedError):
        await stream.append(2)


async def test_moments_have_a_time_zone(app: App) -> None:
    """Without one they mean something else on every machine."""
    stream = app.stream("s")
    async with app:
        await stream.append(1)
        (record,) = await everything(stream)
        moment = datetime.fromtimestamp(record.appended_at - 1, UTC)
        assert len(await everything(stream, at(moment))) == 1
        assert not await everything(stream, at(record.appended_at + 1))
        assert not await everything(stream, after(await stream.end()))
    with pytest.raises(ConfigError, match="time zone"):
        at(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


class NoStreams:
    """A plugin whose backend has a Broker only."""

    @hookimpl
    def anymq_backends(self) -> list[BackendDescriptor]:
        return [
            BackendDescriptor(
                name="no-streams",
                schemes=("no-streams",),
                options=MemoryOptions,
                capabilities=capabilities_of(MemoryOptions()),
                broker=MemoryBroker,
            )
        ]


async def test_a_backend_without_streams_is_refused_at_the_start() -> None:
    """Naming those that have them."""
    registry = Registry()
    registry.register(NoStreams(), name="no-streams")
    app = App("no-streams://x", registry=registry)
    app.stream("s")

    with pytest.raises(UnsupportedError, match="memory"):
        await app.start()


async def test_encryption_covers_records(url: str) -> None:
    """What stands in the log is sealed; who reads with the keys sees values."""
    key = {"keys": {"k1": "A" * 43 + "="}, "active": "k1"}
    app = App(settings=Settings(url=parse_url(url), encryption=key))
    stream = app.stream("s")
    async with app:
        await stream.append("secret")
        (record,) = await everything(stream)

    assert b"secret" not in record.body
    assert record.value == "secret"


async def test_an_application_under_test_has_streams(app: App) -> None:
    """On the test's own clock."""
    stream = app.stream("s")
    async with app.test() as test:
        await stream.append(1)
        await test.advance(60)
        await stream.append(2)
        one, other = await everything(stream)

    assert other.appended_at - one.appended_at == 60
