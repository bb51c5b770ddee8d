"""Streams on a real server."""

from __future__ import annotations

import asyncio
import time

import pytest

from anymq.abc.stream import EARLIEST, LATEST, After, At, Record, StreamSpec
from anymq.errors import ClosedError, ConfigError, TopologyError, UnsupportedError
from anymq.outcome import Confirmed, Rejected
from anymq.topology import TopologyMode
from anymq_redis.keys import LogKeys
from anymq_redis.stream import RedisStream
from anymq_redis.stream_reader import RedisStreamReader
from tests.unit.redis.bench import CALL_S, Bench
from tests.unit.redis.proxy import Proxy

pytestmark = pytest.mark.server("redis")


async def _declare(stream: RedisStream, spec: StreamSpec) -> None:
    await stream.declare([spec], mode=TopologyMode.MANAGE, timeout_s=CALL_S)


async def _append(bench: Bench, stream: RedisStream, name: str, *numbers: int) -> list[str | None]:
    records = [bench.message(name, n, partition=n) for n in numbers]
    results = await stream.append(records, timeout_s=CALL_S)
    assert all(isinstance(result, Confirmed) for result in results), results
    return [r.position for r in results if isinstance(r, Confirmed)]


async def _to_end(reader: RedisStreamReader, max_records: int = 3) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(CALL_S):
        while not reader.is_at_end:
            found += await reader.receive(max_records=max_records, wait_s=1.0)
    return found


@pytest.mark.parametrize("partitions", [1, 3])
async def test_any_record_is_enough_to_go_on_from(bench: Bench, partitions: int) -> None:
    """A position covers all partitions: what was read is not read again, and nothing is missed."""
    stream = await bench.stream()
    await _declare(stream, StreamSpec("log", partitions))
    await _append(bench, stream, "log", *range(20))
    reader = await stream.reader("log", EARLIEST, follow=False, prefetch=100)
    everything = await _to_end(reader)
    await _append(bench, stream, "log", *range(20, 25))

    for stop in (0, 7, 19):
        reader = await stream.reader(
            "log", After(everything[stop].position), follow=False, prefetch=4
        )
        rest = await _to_end(reader)
        ids = [r.message.id for r in (*everything[: stop + 1], *rest)]
        assert sorted(ids) == sorted(f"log-{n}" for n in range(25))
        if partitions == 1:
            assert ids == [f"log-{n}" for n in range(25)]
    assert await stream.ends("log") != everything[-1].position


async def test_a_follower_waits_for_what_is_new(bench: Bench) -> None:
    """From latest on; an interrupted receive costs nothing; a closed reader raises."""
    stream = await bench.stream()
    await _declare(stream, StreamSpec("log"))
    await _append(bench, stream, "log", 0)
    reader = await stream.reader("log", LATEST, follow=True, prefetch=10)

    assert await reader.receive(max_records=5, wait_s=0.1) == []
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(reader.receive(max_records=5, wait_s=CALL_S))
        await asyncio.sleep(0.05)
        waiting.cancel()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(reader.receive(max_records=5, wait_s=CALL_S))
        (position,) = await _append(bench, stream, "log", 1)

    (record,) = waiting.result()
    assert (record.message.id, record.position) == ("log-1", position)
    assert not reader.is_at_end
    await reader.aclose(timeout_s=1.0)
    with pytest.raises(ClosedError):
        await reader.receive(max_records=1, wait_s=0.0)


async def test_a_follower_survives_a_lost_connection(bench: Bench, proxy: Proxy) -> None:
    """It goes on where it was, within the time it was given."""
    stream = await bench.stream(host="127.0.0.1", port=proxy.port)
    await _declare(stream, StreamSpec("log"))
    reader = await stream.reader("log", EARLIEST, follow=True, prefetch=10)

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(reader.receive(max_records=5, wait_s=CALL_S))
        await asyncio.sleep(0.1)
        proxy.cut()
        other = await bench.stream()
        await _append(bench, other, "log", 1)

    assert [r.message.id for r in waiting.result()] == ["log-1"]


async def test_reading_starts_at_a_moment(bench: Bench) -> None:
    """With the first record appended then or later."""
    stream = await bench.stream()
    await _declare(stream, StreamSpec("log", 2))
    await _append(bench, stream, "log", 0, 1)
    await asyncio.sleep(0.02)
    moment = time.time()
    await asyncio.sleep(0.02)
    await _append(bench, stream, "log", 2, 3)

    reader = await stream.reader("log", At(moment), follow=False, prefetch=100)
    records = await _to_end(reader)

    assert sorted(r.message.id for r in records) == ["log-2", "log-3"]
    assert all(moment <= r.appended_at <= time.time() for r in records)


async def test_limits_keep_a_stream_short_and_a_reader_passes_the_gap(bench: Bench) -> None:
    """By number (in whole nodes of a hundred) and by age; trimmed records end no reading."""
    stream = await bench.stream()
    await _declare(stream, StreamSpec("short", max_records=100))
    await _declare(stream, StreamSpec("young", max_age_s=0.001))
    start = await stream.ends("short")
    await _append(bench, stream, "short", *range(450))
    await _append(bench, stream, "young", *range(150))
    await asyncio.sleep(0.02)
    await _append(bench, stream, "young", 150)

    reader = await stream.reader("short", After(start), follow=False, prefetch=1000)
    records = await _to_end(reader, 500)

    assert 100 <= len(records) < 250
    assert records[-1].message.id == "short-449"
    assert await bench.call("XLEN", f"{{{bench.key('young')}}}:log") < 100


async def test_commits_never_move_back_in_any_partition(bench: Bench) -> None:
    """Each partition for itself, by number and not by text."""
    stream = await bench.stream()
    await _declare(stream, StreamSpec("log", 2))

    assert await stream.committed("log", "g") is None
    await stream.commit("log", "g", "9-0,10-5")
    await stream.commit("log", "g", "10-0,10-4")

    assert await stream.committed("log", "g") == "10-0,10-5"
    assert await stream.committed("log", "h") is None


async def test_mistakes_are_told(bench: Bench) -> None:
    """Undeclared, another number of partitions, a foreign position, a limit that is not kept."""
    stream = await bench.stream()
    await _declare(stream, StreamSpec("log"))

    (result,) = await stream.append([bench.message("other")], timeout_s=CALL_S)
    assert isinstance(result, Rejected)
    assert result.code == "not_found"
    with pytest.raises(TopologyError):
        await stream.ends("other")
    with pytest.raises(TopologyError):
        await _declare(stream, StreamSpec("log", 2))
    with pytest.raises(TopologyError):
        await stream.declare([StreamSpec("x")], mode=TopologyMode.VERIFY, timeout_s=CALL_S)
    with pytest.raises(UnsupportedError):
        await _declare(stream, StreamSpec("big", max_bytes=1000))
    with pytest.raises(ConfigError):
        await stream.reader("log", After("12"), follow=False, prefetch=1)


async def test_records_are_numbered_whoever_adds_and_whatever_the_clock_says(bench: Bench) -> None:
    """So a reader knows how many it missed, also behind an entry of a foreign client."""
    stream = await bench.stream()
    spec = StreamSpec("s", max_records=100)
    await stream.declare([spec], mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    log = LogKeys(bench.key("s")).streams(1)[0]
    ahead = int(bench.clock.time() * 1000) + 60_000

    await bench.call("XADD", log, f"{ahead}-0", "body", "theirs")
    for start in range(0, 1000, 100):
        records = [bench.message("s", n) for n in range(start, start + 100)]
        results = await stream.append(records, timeout_s=CALL_S)
        assert all(isinstance(result, Confirmed) for result in results)
    last = results[-1].position

    assert last == f"{ahead}-1000"
    for start, follow in ((f"{ahead}-10", True), (f"{ahead}-10", False), (last, False)):
        reader = await stream.reader("s", After(start), follow=follow, prefetch=1000)
        seen = await reader.receive(max_records=1000, wait_s=0.0)
        expected = 1000 - int(start.partition("-")[2])
        assert reader.lost + len(seen) == expected
        assert (reader.lost > 0) == (start != last)


async def test_what_was_trimmed_altogether_is_counted(bench: Bench) -> None:
    """Up to the end that a reader was opened for."""
    stream = await bench.stream()
    await stream.declare([StreamSpec("s")], mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    results = await stream.append([bench.message("s", n) for n in range(9)], timeout_s=CALL_S)
    first = results[0].position
    assert first is not None
    readers = [
        await stream.reader("s", start, follow=False, prefetch=9)
        for start in (After(first), EARLIEST, At(0.5))
    ]
    await bench.call("XTRIM", LogKeys(bench.key("s")).streams(1)[0], "MAXLEN", 0)

    for reader in readers:
        assert await reader.receive(max_records=9, wait_s=0.0) == []
        assert reader.is_at_end

    assert [reader.lost for reader in readers] == [8, 0, 0]
