"""Streams on a real server, beyond what the seam asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anymq.abc.stream import EARLIEST, LATEST, After, Record, StreamReader, StreamSpec
from anymq.errors import ConfigError, TopologyError, UnsupportedError
from anymq.message import Message
from anymq.outcome import Confirmed, Rejected
from anymq.topology import TopologyMode
from anymq_rabbitmq.stream import RabbitMQStream
from tests.unit.rabbitmq.driving import CALL_S, message

NAME = "sales"


async def _declared(rig: Any, **changes: Any) -> RabbitMQStream:
    stream: RabbitMQStream = await rig.stream(**changes)
    await stream.declare([StreamSpec(NAME)], mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    return stream


async def _append(stream: RabbitMQStream, count: int) -> list[Message]:
    records = [message(NAME) for _ in range(count)]
    results = await stream.append(records, timeout_s=CALL_S)
    assert all(isinstance(result, Confirmed) for result in results)
    return records


async def _take(reader: StreamReader, count: int) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(CALL_S):
        while len(found) < count:
            found += await reader.receive(max_records=count - len(found), wait_s=CALL_S)
    return found


async def test_a_following_reader_gets_what_comes_later(rig: Any) -> None:
    """From LATEST nothing of before; more than its prefetch."""
    stream = await _declared(rig)
    await _append(stream, 3)
    reader = await stream.reader(NAME, LATEST, follow=True, prefetch=10)
    assert list(await reader.receive(max_records=5, wait_s=0.2)) == []

    sent = await _append(stream, 50)

    assert [record.message.id for record in await _take(reader, 50)] == [m.id for m in sent]
    assert not reader.is_at_end


async def test_a_reader_goes_on_behind_a_lost_connection(rig: Any) -> None:
    """Every record once, in order."""
    cable = await rig.cable()
    stream = await _declared(rig, host="127.0.0.1", port=cable.port)
    sent = await _append(stream, 20)
    reader = await stream.reader(NAME, EARLIEST, follow=True, prefetch=8)
    first = await _take(reader, 5)

    cable.cut()
    await rig.until("recovered")

    rest = await _take(reader, 15)
    assert [record.message.id for record in (*first, *rest)] == [m.id for m in sent]


async def test_an_empty_stream_is_at_its_end(rig: Any) -> None:
    """And what its end is called can be read on from."""
    stream = await _declared(rig)
    end = await stream.ends(NAME)
    reader = await stream.reader(NAME, EARLIEST, follow=False, prefetch=10)
    assert reader.is_at_end
    assert list(await reader.receive(max_records=1, wait_s=CALL_S)) == []

    sent = await _append(stream, 2)

    behind = await stream.reader(NAME, After(end), follow=False, prefetch=10)
    assert [record.message.id for record in await _take(behind, 2)] == [m.id for m in sent]
    assert behind.is_at_end


async def test_many_records_are_read_to_the_end_of_now(rig: Any) -> None:
    """Several chunks; what is appended after the opening does not belong to it."""
    stream = await _declared(rig)
    sent = [record for _ in range(12) for record in await _append(stream, 500)]
    reader = await stream.reader(NAME, EARLIEST, follow=False, prefetch=100)
    await _append(stream, 5)

    found = await _take(reader, len(sent))

    assert [record.message.id for record in found] == [m.id for m in sent]
    assert reader.is_at_end


async def test_what_is_not_there_is_told(rig: Any) -> None:
    """A missing stream, a foreign position, a limit that RabbitMQ does not have."""
    stream = await _declared(rig)

    (refused,) = await stream.append([message("nowhere")], timeout_s=CALL_S)

    assert isinstance(refused, Rejected)
    assert refused.code == "not_found"
    with pytest.raises(TopologyError):
        await stream.ends("nowhere")
    with pytest.raises(TopologyError):
        await stream.declare([StreamSpec("no")], mode=TopologyMode.VERIFY, timeout_s=CALL_S)
    with pytest.raises(ConfigError):
        await stream.reader(NAME, After("1-0"), follow=False, prefetch=1)
    for spec in (StreamSpec("s", partitions=2), StreamSpec("s", max_records=5)):
        with pytest.raises(UnsupportedError):
            await stream.declare([spec], mode=TopologyMode.MANAGE, timeout_s=CALL_S)


async def test_commits_from_several_at_once_never_move_back(rig: Any) -> None:
    """The highest one stays."""
    one = await _declared(rig)
    other = await rig.stream()

    async with asyncio.TaskGroup() as committing:
        for position in range(12):
            stream = (one, other)[position % 2]
            committing.create_task(stream.commit(NAME, "desk", str(position)))

    assert await one.committed(NAME, "desk") == "11"
    assert await other.committed(NAME, "desk") == "11"
