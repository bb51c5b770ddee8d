"""Streams: positions that never come again, seeking by time, limits, commits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import pytest

from anymq.abc import Record, Start, Stream, StreamReader, StreamSpec
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


def _steps(positions: Sequence[str | None]) -> list[int]:
    """How far each position is from the first."""
    numbers = [int(position or 0) for position in positions]
    return [number - numbers[0] for number in numbers]


async def test_positions_start_and_end(bench: Bench) -> None:
    """Read from the beginning, behind a position, from a moment, and from the end."""
    stream = await _declared(bench)
    positions = await _append(bench, stream, b"a", b"b", b"c", b"d", b"e")
    records = await _read(stream)

    assert _steps(positions) == [0, 1, 2, 3, 4]
    assert [record.position for record in records] == positions
    assert _bodies(records) == [b"a", b"b", b"c", b"d", b"e"]
    assert await stream.ends("s") == positions[4]
    assert _bodies(await _read(stream, After(records[2].position))) == [b"d", b"e"]
    assert _bodies(await _read(stream, LATEST)) == []
    assert len(await _read(stream, At(records[0].appended_at))) == 5
    assert await _read(stream, At(records[-1].appended_at + 1)) == []
    later = str(int(records[-1].position) + 1)
    for bad in (later, "6", "x", "-1", "", "9" * 40):
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
    positions = await _append(bench, stream, b"aa")
    positions += await _append(bench, stream, b"bb", b"cc", b"dd", b"ee")

    assert _bodies(await _read(stream)) == kept
    assert _bodies(await _read(stream, After(positions[0] or ""))) == kept
    assert await stream.ends("s") == positions[4]
    assert _steps(positions) == [0, 1, 2, 3, 4]


async def test_what_retention_took_is_counted(bench: Bench) -> None:
    """For a reader behind a position, or one that has read; not for one from the earliest."""
    stream = await _declared(bench, max_records=3)
    (first,) = await _append(bench, stream, b"1")
    behind = await stream.reader("s", After(first or ""), follow=True, prefetch=10)
    earliest = await stream.reader("s", EARLIEST, follow=True, prefetch=10)
    await _append(bench, stream, *[b"%d" % number for number in range(2, 10)])

    got = await behind.receive(max_records=1, wait_s=1.0)
    also = await earliest.receive(max_records=10, wait_s=1.0)
    before = behind.lost, earliest.lost  # type: ignore[attr-defined]
    await _append(bench, stream, b"10", b"11", b"12")
    await behind.receive(max_records=10, wait_s=1.0)
    await earliest.receive(max_records=10, wait_s=1.0)
    bounded = await stream.reader("s", After(first or ""), follow=False, prefetch=10)
    bench.query("DELETE FROM log")
    nothing = await bounded.receive(max_records=10, wait_s=1.0)

    assert (_bodies(got), _bodies(also)) == ([b"7"], [b"7", b"8", b"9"])
    assert before == (5, 0)
    assert (behind.lost, earliest.lost) == (7, 0)  # type: ignore[attr-defined]
    assert (list(nothing), bounded.is_at_end) == ([], True)
    assert bounded.lost == 11  # type: ignore[attr-defined]


@pytest.mark.parametrize("in_its_place", ["new", "older copy"])
async def test_a_follower_is_told_of_another_file(bench: Bench, in_its_place: str) -> None:
    """Its position means nothing there: an error, never silence, and no record of the other file.

    Whoever stored a position hears it, too, and a group's commit is not taken for one of here.
    """
    stream = await _declared(bench)
    if in_its_place == "older copy":
        await _append(bench, stream, b"a")
        bench.query(f"VACUUM INTO '{bench.file}.copy'")
    positions = await _append(bench, stream, b"b", b"c")
    reader = await stream.reader("s", EARLIEST, follow=True, prefetch=10)
    await reader.receive(max_records=10, wait_s=1.0)

    async with asyncio.TaskGroup() as group:
        receiving = group.create_task(_error_of(reader))
        await asyncio.sleep(0)
        for suffix in ("", "-wal", "-shm"):
            os.rename(f"{bench.file}{suffix}", f"{bench.file}.old{suffix}")
        if in_its_place == "older copy":
            os.rename(f"{bench.file}.copy", bench.file)
        else:
            bench.file.touch()

    assert "is not the one that was read" in str(receiving.result())
    assert str(bench.file) in str(receiving.result())
    with pytest.raises(ConfigError, match="no position"):
        await _read(stream, After(positions[-1] or ""))
    if in_its_place == "new":
        with pytest.raises(ConfigError, match="another file"):
            await stream.commit("s", "g", positions[0] or "")
        await _append(bench, stream, b"new")
        assert _bodies(await _read(stream)) == [b"new"]


async def _error_of(reader: StreamReader) -> Exception:
    try:
        await reader.receive(max_records=10, wait_s=CALL_S)
    except ConfigError as error:
        return error
    raise LookupError("a reader of a file that is gone went on without a word")


async def test_old_records_go(bench: Bench) -> None:
    """By age, in the background, within seconds."""
    stream = await _declared(bench, max_age_s=60.0)
    await _append(bench, stream, b"old", b"young")
    bench.query("UPDATE log SET appended_at = appended_at - 100 WHERE body = x'6f6c64'")

    async with asyncio.timeout(15):
        while len(bench.query("SELECT 1 FROM log")) > 1:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.05)  # between two looks at the condition

    assert _bodies(await _read(stream)) == [b"young"]
    (left,) = await _read(stream)
    assert _steps([left.position, *await _append(bench, stream, b"next")]) == [0, 1]


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
    first, second = await _append(bench, stream, b"a", b"b")
    for position in (second, first):
        await stream.commit("s", "g", position or "")
    assert await stream.committed("s", "g") == second
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
