"""Kafka's own console tools on the other side: no headers of ours, bodies as they are."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import Sequence

import pytest

from tests.unit.kafka.bench import Bench

pytestmark = [pytest.mark.server("kafka"), pytest.mark.long]

TOOL_S = 60.0
"""A Java process starts and connects."""


async def _tool(bench: Bench, name: str, *arguments: str, given: str = "") -> str:
    """Run one of the server's tools; what it wrote."""
    control = shlex.split(os.environ["ANYMQ_TEST_KAFKA_CONTROL"])
    command = [*control[:-2], "kafka-tool", name, "--bootstrap-server", bench.bootstrap]
    process = await asyncio.create_subprocess_exec(
        *command,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TOOL_S):
            output, errors = await process.communicate(given.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode(errors="replace")[-2000:]
    return output.decode()


async def _read(bench: Bench, topic: str, count: int, *more: str) -> Sequence[str]:
    """The first lines that the console consumer prints of a topic."""
    text = await _tool(
        bench,
        "kafka-console-consumer",
        *("--topic", topic, "--from-beginning", "--max-messages", str(count)),
        *("--timeout-ms", "30000"),
        *more,
    )
    return text.splitlines()


async def test_what_the_console_producer_sends_is_consumed(bench: Bench) -> None:
    """Without headers: the id is the position; the key, where there is one, is the record's."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    topic = f"{bench.namespace}.news"
    keyed = ("--reader-property", "parse.key=true", "--reader-property", "key.separator=|")
    lines = 'vendor-2|{"n": 1}\nvendor-2|Ünïcode, not JSON\n'

    await _tool(bench, "kafka-console-producer", "--topic", topic, *keyed, given=lines)

    async with bench.member(broker, "news", "desk") as member:
        first, second = await bench.collect(member, 2)
    assert (first.body, second.body) == (b'{"n": 1}', "Ünïcode, not JSON".encode())
    assert [each.id for each in (first, second)] == [f"{topic}:0:0", f"{topic}:0:1"]
    assert {each.key for each in (first, second)} == {"vendor-2"}
    assert (first.attempt, dict(first.headers)) == (1, {})
    assert first.message.timestamp > 1_700_000_000


async def test_the_console_consumer_reads_what_we_send(bench: Bench) -> None:
    """From the beginning: the body is what the codec made, key and headers are native."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    bodies = [json.dumps({"n": n}).encode() for n in range(3)]
    sent = [
        bench.message("news", n, body=body, key="k", headers={"color": "blue"})
        for n, body in enumerate(bodies)
    ]
    await bench.send(broker, *sent)
    topic = f"{bench.namespace}.news"

    plain = await _read(bench, topic, 3)
    shown = ("--formatter-property", "print.key=true", "--formatter-property", "print.headers=true")
    full = await _read(bench, topic, 1, *shown)

    assert plain == [body.decode() for body in bodies]
    headers, key, body = full[0].split("\t")
    assert (key, body) == ("k", bodies[0].decode())
    assert "color:blue" in headers.split(",")
    assert f"anymq-id:{sent[0].id}" in headers.split(",")


async def test_a_dead_letter_can_be_read_at_the_console(bench: Bench) -> None:
    """The companion topic has the body untouched, under the message's id."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    dead = bench.message("news", 7, body=b"as it was", group="desk", lane="dead")
    await bench.send(broker, dead)

    lines = await _read(
        bench, f"{bench.namespace}.news.desk.dead", 1, "--formatter-property", "print.key=true"
    )

    assert lines == [f"{dead.id}\tas it was"]
    assert len(await broker.management().dead_letters("news", "desk", limit=10)) == 1
