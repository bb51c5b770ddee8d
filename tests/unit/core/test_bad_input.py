"""Bad input, through the public API: a typed error that names cause and remedy, and nothing lost.

What concerns configuration and plugins (unknown key, unknown scheme, missing, broken and doubled
plugins) is in tests/unit/config and tests/unit/plugins.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anymq import App, ConfigError, Delivery, MessageTooLarge, PublishRejected, UnsupportedError
from anymq.codecs import RawCodec
from anymq.message import Message
from anymq.outcome import Confirmed
from anymq.support.ids import new_id

__all__: list[str] = []


def test_a_wrong_handler_signature_is_refused_where_it_is_written() -> None:
    """At the decorator, naming the handler, both parameters and the way out."""
    app = App("memory://bad-input")

    with pytest.raises(ConfigError, match=r"handle.*'first' and 'second'.*Delivery") as caught:

        @app.subscriber("t", group="g")
        async def handle(first: int, second: int) -> None: ...

    assert caught.value.code == "config"


@pytest.mark.parametrize("name", ["", "Upper", "with space", "anymq.mine", "x" * 101, "é"])
def test_a_bad_topic_name_is_refused_with_the_grammar(name: str) -> None:
    """When it is declared; the same on every backend."""
    with pytest.raises(ConfigError, match=r"is no topic name: (it must match|the prefix)"):
        App("memory://bad-input").topic(name)


async def test_a_capability_that_the_backend_lacks_stops_the_start() -> None:
    """Naming the use, the line that asked, the backend and who could."""
    app = App("memory://bad-input-order?native=none")

    @app.subscriber("t", group="g", order="key")
    async def handle(body: int) -> None: ...

    with pytest.raises(UnsupportedError, match=r"handle.*test_bad_input\.py:\d+.*order_by_key"):
        await app.start()

    assert app.state == "stopped"


@pytest.mark.parametrize("name", ["anymq-attempt", "AnyMQ-Id", "traceparent"])
async def test_a_reserved_header_is_refused_before_sending(name: str) -> None:
    """It is named, and nothing was stored."""
    app = App()
    app.topic("t")

    async with app.test() as t:
        with pytest.raises(PublishRejected, match=f"'{name}' is reserved") as caught:
            await app.publish("t", 1, headers={name: "7"})

        assert caught.value.code == "invalid"
        assert t.published == []


async def test_an_oversized_message_is_refused_before_sending() -> None:
    """Typed, with both sizes; its neighbours in a batch are stored."""
    app = App("memory://bad-input-size?max_message_bytes=1024", codec=RawCodec())
    app.topic("t")

    async with app:
        with pytest.raises(MessageTooLarge) as caught:
            await app.publish("t", b"x" * 1025)
        results = await app.publish_many("t", [b"a", b"x" * 1025, b"b"])

    assert (caught.value.size_bytes, caught.value.max_bytes) == (1025, 1024)
    assert [isinstance(result, Confirmed) for result in results] == [True, False, True]


async def test_an_undecodable_body_goes_to_the_dead_letters_with_its_bytes() -> None:
    """The handler never sees it, the consumer goes on, and the bytes are all there."""
    app = App("memory://bad-input-body")
    app.topic("t")
    seen: list[Any] = []
    done = asyncio.Event()

    @app.subscriber("t", group="g")
    async def handle(body: dict[str, int], delivery: Delivery) -> None:
        seen.append(body)
        done.set()

    async with app:
        broker = app._lifecycle.engine.broker
        await broker.send([Message("t", b"\xff not json", new_id(), 0.0)], timeout_s=1)
        await app.publish("t", {"n": 1})
        async with asyncio.timeout(5):
            await done.wait()
        entries = await app.dead_letters.entries("t", "g")

    assert seen == [{"n": 1}]
    assert [entry.message.body for entry in entries] == [b"\xff not json"]
    assert entries[0].message.meta["anymq-death-attempts"] == "1"
