"""Streams: positions that never come again, seeking by time, limits, commits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from anymq.abc import Record, Start, Stream, StreamSpec
from anymq.abc.stream import EARLIEST, LATEST, After, At
from anymq.errors import ClosedError, ConfigError, TopologyError
from anymq.outcome import Confirmed, Rejected
from anymq.topology import TopologyMode
from tests.unit.sqlite.bench import CALL_S, Bench


async def _declared(bench: Bench, **limits: float) -> Stream:
    stream = await bench.stream()
    spec = StreamSpec("s", **limits)  # type: ignore[arg-type]
    await stream.declare([spec], mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    return stream


async def _append(bench: Bench, stream: Stream, *bodies: bytes) -> list[str | None]:
    records = [bench.message(body, "s") for body in bodies]
    results = await stream.append(records, timeout_s=CALL_S)
    return [result.position for result in results if isinstance(result, Confirmed)]


async def _read(stream: Stream, start: Start = EARLIEST) -> list[Record]:
    reader = await stream.reader("s", start, follow=False, prefetch=10)
    records: list[Record] = []
    while not reader.is_at_end:
        records += await reader.receive(max_records=3, wait_s=1.0)
    await reader.aclose(timeout_s=CALL_S)
    return records


def _bodies(records: Sequence[Record]) -> list[bytes]:
    return [record.message.body for record in records]


async def test_positions_start_and_end(bench: Bench) -> None:
    """Read from the beginning, behind a position, from a moment, and from the end."""
    stream = await _declared(bench)
    positions = await _append(bench, stream, b"a", b"b", b"c", b"d", b"e")
    records = await _read(stream)

    assert positions == ["1", "2", "3", "4", "5"]
    assert _bodies(records) == [b"a", b"b", b"c", b"d", b"e"]
    assert await stream.ends("s") == "5"
    assert _bodies(await _read(stream, After("3"))) == [b"d", b"e"]
    assert _bodies(await _read(stream, LATEST)) == []
    assert len(await _read(stream, At(records[0].appended_at))) == 5
    assert await _read(stream, At(records[-1].appended_at + 1)) == []
    for bad in ("6", "x", "-1", ""):
        with pytest.raises(ConfigError, match="no position"):
            await _read(stream, After(bad))


async def test_seeking_by_time_survives_a_clock_that_goes_back(bench: Bench) -> None:
    """Times in the log only grow, so that they can be searched."""
    stream = await _declared(bench)
    await _append(bench, stream, b"a")
    bench.query("UPDATE log SET appended_at = appended_at + 1000")
    bench.query("UPDATE streams SET last_at = last_at + 1000")
    await _append(bench, stream, b"b")

    first, second = await _read(stream)

    assert second.appended_at == first.appended_at
    assert len(await _read(stream, At(first.appended_at))) == 2


@pytest.mark.parametrize(
    ("limits", "kept"),
    [({"max_records": 3}, [b"cc", b"dd", b"ee"]), ({"max_bytes": 5}, [b"dd", b"ee"])],
)
async def test_limits_cut_the_oldest(
    bench: Bench, limits: dict[str, int], kept: list[bytes]
) -> None:
    """At each append; positions go on, and a reader behind goes on at the oldest."""
    stream = await _declared(bench, **limits)
    await _append(bench, stream, b"aa")
    await _append(bench, stream, b"bb", b"cc", b"dd", b"ee")

    assert _bodies(await _read(stream)) == kept
    assert _bodies(await _read(stream, After("1"))) == kept
    assert await stream.ends("s") == "5"


async def test_old_records_go(bench: Bench) -> None:
    """By age, in the background, within seconds."""
    stream = await _declared(bench, max_age_s=60.0)
    await _append(bench, stream, b"old", b"young")
    bench.query("UPDATE log SET appended_at = appended_at - 100 WHERE body = x'6f6c64'")

    async with asyncio.timeout(15):
        while len(bench.query("SELECT 1 FROM log")) > 1:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.05)  # between two looks at the condition

    assert _bodies(await _read(stream)) == [b"young"]
    assert await _append(bench, stream, b"next") == ["3"]


async def test_a_follower_is_woken(bench: Bench) -> None:
    """By an append of another connection; waiting longer gives nothing; closing ends it."""
    stream = await _declared(bench)
    other = await bench.stream()
    reader = await stream.reader("s", LATEST, follow=True, prefetch=10)

    async with asyncio.TaskGroup() as group:
        receiving = group.create_task(reader.receive(max_records=5, wait_s=5.0))
        await _append(bench, other, b"new")
    empty = await reader.receive(max_records=5, wait_s=0.05)
    now = await reader.receive(max_records=5, wait_s=0.0)

    assert _bodies(receiving.result()) == [b"new"]
    assert (list(empty), list(now), reader.is_at_end) == ([], [], False)
    await reader.aclose(timeout_s=CALL_S)
    await reader.aclose(timeout_s=CALL_S)
    with pytest.raises(ClosedError):
        await reader.receive(max_records=1, wait_s=0)


async def test_commits_only_grow(bench: Bench) -> None:
    """For each group; what is no position is refused."""
    stream = await _declared(bench)

    assert await stream.committed("s", "g") is None
    for position in ("10", "9"):
        await stream.commit("s", "g", position)
    assert await stream.committed("s", "g") == "10"
    with pytest.raises(ConfigError, match="no position"):
        await stream.commit("s", "g", "nine")


async def test_what_is_not_declared(bench: Bench) -> None:
    """Appending is rejected, all else raises; another number of partitions is refused."""
    stream = await _declared(bench)

    (result,) = await stream.append([bench.message(topic="x")], timeout_s=CALL_S)
    assert isinstance(result, Rejected)
    assert result.code == "not_found"
    assert list(await stream.append([], timeout_s=CALL_S)) == []
    with pytest.raises(TopologyError, match="stream 'x'"):
        await stream.ends("x")
    with pytest.raises(TopologyError, match="stream 'x'"):
        await stream.declare([StreamSpec("x")], mode=TopologyMode.VERIFY, timeout_s=CALL_S)
    with pytest.raises(TopologyError, match="1 partitions, not 2"):
        await stream.declare([StreamSpec("s", 2)], mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    await stream.declare([StreamSpec("x")], mode=TopologyMode.ASSUME, timeout_s=CALL_S)
    assert (await stream.health()).status == "up"
    await stream.aclose(timeout_s=CALL_S)
    assert (await stream.health()).status == "down"
    with pytest.raises(ClosedError):
        await stream.ends("s")
