"""Beside other clients: plain aio-pika and the server's HTTP API, in both directions."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from typing import Any

import aio_pika

from anymq.outcome import CONFIRMED
from anymq_rabbitmq.harness import _request
from anymq_rabbitmq.wire import ASSIGNED_ID
from tests.unit.rabbitmq.driving import CALL_S, ack, collect, join, message


async def _ask(method: str, path: str, body: object = None) -> Any:
    return await _request(os.environ["ANYMQ_TEST_RABBITMQ_MANAGEMENT_URL"], method, path, body)


async def test_what_aio_pika_publishes_is_consumed(rig: Any) -> None:
    """No headers and any body; with properties they tell what they can."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    async with await aio_pika.connect(rig.url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(f"{rig.context.namespace}.news")
        await exchange.publish(aio_pika.Message(b"\x00bare\xff"), "whatever")
        told = aio_pika.Message(b"told", message_id="theirs", headers={"color": "blue", "n": 3})
        await exchange.publish(told, "")

    bare, full = await collect(desk, 2)

    assert (bare.body, dict(bare.headers), bare.key) == (b"\x00bare\xff", {}, None)
    assert bare.id
    assert (full.id, dict(full.headers)) == ("theirs", {"color": "blue", "n": "3"})
    assert (bare.native.exchange, bare.native.routing_key) == (
        f"{rig.context.namespace}.news",
        "whatever",
    )
    assert full.native.header.properties.headers == {"color": "blue", "n": 3}
    await ack(desk, [bare, full])


async def test_aio_pika_consumes_what_we_publish(rig: Any) -> None:
    """The body is the body; metadata are headers and the standard properties."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    sent = message(body=b'{"a": 1}', key="vendor-2", headers={"place": "Z\u00fcrich"})
    assert list(await broker.send([sent], timeout_s=CALL_S)) == [CONFIRMED]

    async with await aio_pika.connect(rig.url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(f"{rig.context.namespace}.news.desk")
        async with asyncio.timeout(CALL_S):
            came = await queue.get()
        await came.ack()

    assert (came.body, came.message_id, came.content_type) == (
        sent.body,
        sent.id,
        "application/json",
    )
    assert came.delivery_mode == 2
    assert came.routing_key == "0"
    assert came.headers["place"] == "Z\u00fcrich"
    assert (came.headers["anymq-id"], came.headers["anymq-key"]) == (sent.id, "vendor-2")


async def test_the_http_api_publishes_and_gets(rig: Any) -> None:
    """As an operator does by hand: text or base64, without any header."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    name = f"{rig.context.namespace}.news"
    desk = await join(broker, "desk")
    for payload, encoding in (("by hand", "string"), ("AP8=", "base64")):
        routed = await _ask(
            "POST",
            f"exchanges/%2F/{name}/publish",
            {
                "properties": {},
                "routing_key": "",
                "payload": payload,
                "payload_encoding": encoding,
            },
        )
        assert routed == {"routed": True}
    found = await collect(desk, 2)
    assert [delivery.body for delivery in found] == [b"by hand", b"\x00\xff"]
    assert all(delivery.id for delivery in found)
    assert {delivery.message.meta[ASSIGNED_ID] for delivery in found} == {"1"}
    await ack(desk, found)
    await desk.aclose(timeout_s=CALL_S)

    sent = message(body=json.dumps({"hired": "Ada"}).encode())
    await broker.send([sent], timeout_s=CALL_S)
    (got,) = await _ask(
        "POST",
        f"queues/%2F/{name}.desk/get",
        {"count": 1, "ackmode": "ack_requeue_false", "encoding": "base64"},
    )
    assert base64.b64decode(got["payload"]) == sent.body
    assert got["properties"]["headers"]["anymq-id"] == sent.id
