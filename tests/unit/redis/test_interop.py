"""Redis's own console on the other side: no headers of ours, bodies as they are."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from anymq.message import Delivery
from anymq.outcome import ACK, Retry
from tests.unit.redis.bench import CALL_S, Bench

pytestmark = pytest.mark.server("redis")


async def _cli(bench: Bench, *arguments: str, given: bytes | None = None) -> str:
    """Run the console; what it printed. ``given`` is the last argument, by standard input."""
    program = shutil.which("redis-cli")
    if program is None:
        pytest.skip("redis-cli is not installed here")
    options = bench.options()
    at = ("-h", options.host, "-p", str(options.port or 6379), "-n", str(options.database))
    more = () if given is None else ("-x",)
    process = await asyncio.create_subprocess_exec(
        program,
        *at,
        *more,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(CALL_S):
        output, _ = await process.communicate(given or b"")
    assert process.returncode == 0
    return output.decode()


async def _one(bench: Bench, order: str = "none") -> tuple[Delivery, str]:
    """What a member gets of an entry that the console added, and the entry's id."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    entry_id = await _cli(
        bench, "XADD", bench.key("news"), "*", "color", "blue", "body", given='{"n": 1} ü'.encode()
    )
    member = await bench.member(broker, "news", "desk", order="key" if order == "key" else "none")
    (delivery,) = await bench.collect(member, 1)
    await bench.settle(member, Retry(0.0), delivery)
    (again,) = await bench.collect(member, 1)
    assert (again.id, again.body) == (delivery.id, delivery.body)
    await bench.settle(member, ACK, again)
    return delivery, entry_id.strip()


@pytest.mark.parametrize("order", ["none", "key"])
async def test_what_the_console_adds_is_consumed(bench: Bench, order: str) -> None:
    """Its id is its position, also when it comes again; other fields are headers."""
    delivery, entry_id = await _one(bench, order)

    assert delivery.body == '{"n": 1} ü'.encode()
    assert (delivery.id, delivery.position) == (entry_id, entry_id)
    assert (delivery.attempt, dict(delivery.headers), delivery.key) == (1, {"color": "blue"}, None)
    assert delivery.message.timestamp == int(entry_id.partition("-")[0]) / 1000


async def test_the_console_reads_what_we_send(bench: Bench) -> None:
    """The field ``body`` is what the codec made; headers are fields beside it."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    body = b'{"n":1}'
    await bench.send(
        broker, bench.message("news", body=body, key="vendor-2", headers={"color": "blue"})
    )

    lines = (await _cli(bench, "XRANGE", bench.key("news"), "-", "+")).splitlines()

    fields = dict(zip(lines[1::2], lines[2::2], strict=True))
    assert fields.pop("anymq-timestamp")
    assert fields == {
        "body": '{"n":1}',
        "color": "blue",
        "anymq-id": "news-0",
        "anymq-key": "vendor-2",
        "anymq-content-type": "application/json",
    }


async def test_the_console_joins_the_group(bench: Bench) -> None:
    """A foreign consumer shares the work: what it takes and acknowledges does not come to us."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    await bench.send(broker, *(bench.message("news", n) for n in range(2)))
    key = bench.key("news")

    read = await _cli(
        bench, *("XREADGROUP", "GROUP", "desk", "cli", "COUNT", "1", "STREAMS", key, ">")
    )
    assert await _cli(bench, "XACK", key, "desk", read.splitlines()[1]) == "1\n"

    member = await bench.member(broker, "news", "desk")
    assert [delivery.id for delivery in await bench.collect(member, 1)] == ["news-1"]
