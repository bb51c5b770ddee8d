"""CloudEvents: what others read on the wire, and what comes back from it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from anymq.message import Message
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect

__all__: list[str] = []

DATA = {"text": "Zeitung №1", "numbers": [1, 2.5, None], "nested": {"a": [True, {}]}}


def _check_attributes(found: dict[str, Any], message: Message, topic: str) -> None:
    """What a CloudEvent has to have, and what follows from the message."""
    expect(found.get("specversion") == "1.0", f"specversion is {found.get('specversion')!r}")
    expect(found.get("id") == message.id, f"id is {found.get('id')!r}, not the message's")
    expect(found.get("type") == topic, f"type is {found.get('type')!r}, not the topic")
    expect(found.get("source"), "source is missing or empty")
    expect(found.get("subject") == "vendor-2", f"subject is {found.get('subject')!r}")
    expect(found.get("partitionkey") == "k", f"partitionkey is {found.get('partitionkey')!r}")
    moment = datetime.fromisoformat(str(found.get("time")))
    expect(moment.tzinfo is not None, f"time {found.get('time')!r} has no zone")
    late = abs(moment.timestamp() - message.timestamp)
    expect(late < 0.001, f"time is {late} s away from the message's")


async def _event(bench: Bench, mode: str) -> tuple[Message, str, Any, dict[str, str]]:
    """Publish one event in a mode: its raw message, topic, and what a handler got of it."""
    app = await bench.app(cloudevents=mode)
    topic = app.topic(bench.topic(mode))
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "raw")
        member = await bench.subscribe(broker, topic, "raw")
        headers = {"ce_subject": "vendor-2", "color": "blue"}
        await bench.publish(app, topic, DATA, key="k", headers=headers)
        await bench.received(collector, 1)
        (raw,) = await bench.take(member, 1)
        await bench.settle(member, raw)
    seen = collector.seen[0]
    expect(seen.id == raw.id, "the handler's message has another id than the one on the wire")
    expect(seen.key == "k", f"the handler's message has the key {seen.key!r}")
    return raw.message, topic, seen.value, seen.headers


@check("OBS-07", "cloudevents_binary_round_trip")
async def binary(bench: Bench) -> None:
    """Attributes are headers ``ce_*``, the body is what the codec makes; and back again."""
    raw, topic, value, headers = await _event(bench, "binary")
    found = {name[3:]: v for name, v in raw.headers.items() if name.startswith("ce_")}
    _check_attributes(found, raw, topic)
    kind = raw.headers.get("content-type")
    expect(kind == "application/json", f"the header content-type is {kind!r}")
    expect(raw.headers.get("color") == "blue", "a header of the publisher's is missing")
    body = json.loads(raw.body)
    expect(body == bench.body(DATA), f"the body on the wire is {body}")
    plain = await bench.app()
    other = plain.topic(bench.topic("plain"))
    async with bench.broker() as broker:
        await bench.declare(broker, other, "raw")
        member = await bench.subscribe(broker, other, "raw")
        await bench.started(plain)
        await bench.publish(plain, other, DATA)
        (without,) = await bench.take(member, 1)
        expect(without.body == raw.body, "the mode changed the bytes of the body")
        expect(not without.message.headers, f"CloudEvents while off: {without.message.headers}")
        await bench.settle(member, without)
    expect(value == DATA, f"the handler got {value}")
    expect(headers.get("ce_subject") == "vendor-2", f"the handler got the headers {headers}")
    await _foreign(bench, "binary")


@check("OBS-08", "cloudevents_structured_round_trip")
async def structured(bench: Bench) -> None:
    """One JSON body holds attributes and data; a handler gets the data, as if it were binary."""
    raw, topic, value, headers = await _event(bench, "structured")
    expect(raw.content_type == "application/cloudevents+json", f"content type {raw.content_type!r}")
    event = json.loads(raw.body)
    _check_attributes(event, raw, topic)
    expect(event.get("datacontenttype") == "application/json", f"event: {event}")
    expect(event.get("data") == bench.body(DATA), f"data on the wire: {event.get('data')}")
    stray = [name for name in raw.headers if name.startswith("ce_")]
    expect(not stray, f"a structured event has binary attributes as well: {stray}")
    expect(raw.headers.get("color") == "blue", "a header of the publisher's is missing")
    expect(value == DATA, f"the handler got {value}")
    expect(headers.get("ce_subject") == "vendor-2", f"the handler got the headers {headers}")
    expect(headers.get("color") == "blue", f"the handler got the headers {headers}")
    await _foreign(bench, "structured")


async def _foreign(bench: Bench, mode: str) -> None:
    """Events that other producers write, in either mode, reach a handler of this one."""
    app = await bench.app(cloudevents=mode)
    topic = app.topic(bench.topic("foreign"))
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    attributes = {"specversion": "1.0", "id": "A-1", "source": "/elsewhere", "type": "com.example"}
    event = {**attributes, "datacontenttype": "application/json", "data": bench.body("structured")}
    kind = "application/cloudevents+json"
    async with bench.broker() as broker:
        await broker.send(
            [
                bench.message(
                    topic,
                    json.dumps(bench.body("binary")).encode(),
                    headers={f"ce-{name}": text for name, text in attributes.items()},
                ),
                bench.message(
                    topic,
                    json.dumps(event).encode(),
                    content_type=kind,
                    headers={"content-type": kind},
                ),
            ],
            timeout_s=bench.limit(5),
        )
    await bench.exactly(collector, ["binary", "structured"])
    by_value = {seen.value: seen.headers for seen in collector.seen}
    given = by_value["structured"].get("ce_type")
    expect(given == "com.example", f"a foreign event's type is {given!r}")
