"""Streams of several partitions on a real broker."""

from __future__ import annotations

import asyncio

import pytest

from anymq.abc import Stream
from anymq.abc.stream import EARLIEST, LATEST, After, Record, Start, StreamSpec
from anymq.errors import ConfigError, TopologyError, UnsupportedError
from anymq.outcome import Confirmed
from anymq.topology import TopologyMode
from tests.unit.kafka.bench import CALL_S, Bench

pytestmark = pytest.mark.server("kafka")

PARTITIONS = 3


async def test_a_position_goes_on_in_every_partition(bench: Bench) -> None:
    """From any record's position come exactly the records that were read after it."""
    stream = await _stream_of(bench, 30)
    everything = await _read(stream, EARLIEST)
    cut = everything[12]

    rest = await _read(stream, After(cut.position))

    assert len(everything) == 30
    assert {record.partition for record in everything} == {0, 1, 2}
    assert _ids(everything[:13]).isdisjoint(_ids(rest))
    assert _ids(everything[:13]) | _ids(rest) == _ids(everything)
    assert _ids(await _read(stream, After(await stream.ends("sales")))) == set()


async def test_a_follower_sees_what_comes_and_begins_at_the_end(bench: Bench) -> None:
    """LATEST is the moment of opening; nothing older comes, nothing newer is missed."""
    stream = await _stream_of(bench, 5)
    reader = await stream.reader("sales", LATEST, follow=True, prefetch=2)
    try:
        await _append(bench, stream, range(100, 110))
        found: list[Record] = []
        async with asyncio.timeout(CALL_S):
            while len(found) < 10:
                found += await reader.receive(max_records=3, wait_s=CALL_S)
        assert _ids(found) == {f"sales-{n}" for n in range(100, 110)}
        assert await reader.receive(max_records=1, wait_s=0.3) == []
        assert not reader.is_at_end
    finally:
        await reader.aclose(timeout_s=CALL_S)


async def test_committed_positions_move_forward_per_partition(bench: Bench) -> None:
    """A position that is behind in one partition and ahead in another moves the latter alone."""
    stream = await _stream_of(bench, 30)

    await stream.commit("sales", "desk", "0:3,1:3,2:3")
    await stream.commit("sales", "desk", "0:1,1:5,2:3")

    assert await stream.committed("sales", "desk") == "0:3,1:5,2:3"
    assert await stream.committed("sales", "other") is None


@pytest.mark.parametrize("position", ["", "x", "0", "3:1", "0:1,0:2", "0:-2", "0:01", "0:999"])
async def test_what_is_no_position_of_the_stream_is_refused(bench: Bench, position: str) -> None:
    """Nonsense, a partition that does not exist, an offset beyond the end."""
    stream = await _stream_of(bench, 3)

    with pytest.raises(ConfigError):
        await stream.reader("sales", After(position), follow=False, prefetch=10)


async def test_an_unknown_stream_is_told(bench: Bench) -> None:
    """By every call that names one; verifying names it too."""
    stream = await bench.stream()

    with pytest.raises(TopologyError):
        await stream.ends("nowhere")
    with pytest.raises(TopologyError):
        await stream.reader("nowhere", EARLIEST, follow=False, prefetch=1)
    with pytest.raises(TopologyError):
        await stream.commit("nowhere", "desk", "0:1")
    with pytest.raises(TopologyError):
        await stream.declare([StreamSpec("nowhere")], mode=TopologyMode.VERIFY, timeout_s=CALL_S)


async def test_a_limit_that_kafka_lacks_is_refused(bench: Bench) -> None:
    """Limits by age and size are kept, one by count is not pretended."""
    stream = await bench.stream()
    limited = StreamSpec("sales", max_age_s=3600, max_bytes=10_000_000)

    await stream.declare([limited], mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    with pytest.raises(UnsupportedError, match="max_records"):
        await stream.declare(
            [StreamSpec("counted", max_records=5)], mode=TopologyMode.MANAGE, timeout_s=CALL_S
        )


async def test_a_stream_is_no_topic(bench: Bench) -> None:
    """The same name is another world for the Broker."""
    stream = await _stream_of(bench, 3)
    broker = await bench.broker()
    await bench.declare(broker, "sales", "desk")

    async with bench.member(broker, "sales", "desk") as desk:
        await bench.send(broker, bench.message("sales", 77))
        assert [d.id for d in await bench.collect(desk, 1)] == ["sales-77"]
    assert len(await _read(stream, EARLIEST)) == 3


async def _stream_of(bench: Bench, count: int) -> Stream:
    stream = await bench.stream()
    await stream.declare(
        [StreamSpec("sales", partitions=PARTITIONS)], mode=TopologyMode.MANAGE, timeout_s=CALL_S
    )
    await _append(bench, stream, range(count))
    return stream


async def _append(bench: Bench, stream: Stream, numbers: range) -> None:
    records = [bench.message("sales", n, key=f"k{n}") for n in numbers]
    results = await stream.append(records, timeout_s=CALL_S)
    assert all(isinstance(result, Confirmed) for result in results), results


async def _read(stream: Stream, start: Start) -> list[Record]:
    reader = await stream.reader("sales", start, follow=False, prefetch=4)
    found: list[Record] = []
    try:
        async with asyncio.timeout(CALL_S):
            while not reader.is_at_end:
                found += await reader.receive(max_records=5, wait_s=CALL_S)
    finally:
        await reader.aclose(timeout_s=CALL_S)
    return found


def _ids(records: list[Record]) -> set[str]:
    return {record.message.id for record in records}
