"""The memory backend's streams: where readers begin, what is kept, who is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from anymq import BackendUnavailable, ClosedError, ConfigError, TopologyError
from anymq.abc import BackendContext, StreamSpec
from anymq.abc.stream import EARLIEST, LATEST, After, At, Record, Start, StreamReader
from anymq.memory.options import MemoryOptions
from anymq.memory.stream import MemoryStream
from anymq.outcome import Confirmed, Rejected
from anymq.testing.fake_clock import FakeClock
from anymq.topology import TopologyMode
from tests.unit.core.doubles import a_message, turns


class Rig:
    """One stream connection and its clock."""

    def __init__(self, stream: MemoryStream, clock: FakeClock) -> None:
        self.stream = stream
        self.clock = clock

    async def declare(self, *specs: StreamSpec, mode: str = "manage") -> None:
        await self.stream.declare(specs, mode=TopologyMode(mode), timeout_s=1)

    async def append(self, *numbers: int, topic: str = "s") -> list[str]:
        """Append records; their positions."""
        results = await self.stream.append(
            [a_message(n, topic=topic) for n in numbers], timeout_s=1
        )
        return [str(r.position) for r in results if isinstance(r, Confirmed)]

    async def reader(self, start: Start = EARLIEST, *, follow: bool = False) -> StreamReader:
        return await self.stream.reader("s", start, follow=follow, prefetch=10)


def bodies(records: Sequence[Record]) -> list[int]:
    return [int(record.message.body) for record in records]


async def read(reader: StreamReader, limit: int = 100) -> list[int]:
    return bodies(await reader.receive(max_records=limit, wait_s=0))


@pytest.fixture
async def rig(url: str) -> AsyncIterator[Rig]:
    """A connection with stream ``s``."""
    clock = FakeClock(start=1000.0)
    options = MemoryOptions(host=url.removeprefix("memory://"))
    stream = MemoryStream(options, BackendContext(clock))
    await stream.open(lambda event: None)
    made = Rig(stream, clock)
    await made.declare(StreamSpec("s"))
    yield made
    await stream.aclose(timeout_s=1)


async def test_readers_begin_where_they_say(rig: Rig) -> None:
    """At the oldest, after a position, at a moment, or with what comes next."""
    positions = await rig.append(1, 2)
    await rig.clock.advance(10)
    await rig.append(3)
    latest = await rig.reader(LATEST, follow=True)
    await rig.append(4)

    assert await read(await rig.reader(EARLIEST)) == [1, 2, 3, 4]
    assert await read(await rig.reader(After(positions[0]))) == [2, 3, 4]
    assert await read(await rig.reader(At(1005.0))) == [3, 4]
    assert await read(await rig.reader(At(1010.0))) == [3, 4]
    assert await read(latest) == [4]


async def test_a_reader_without_follow_ends_at_what_was_last(rig: Rig) -> None:
    """What is appended afterwards it does not see."""
    await rig.append(1, 2, 3)
    reader = await rig.reader()
    await rig.append(4)

    assert await read(reader, 2) == [1, 2]
    assert not reader.is_at_end
    assert await read(reader) == [3]
    assert reader.is_at_end
    assert await read(reader) == []
    assert (await rig.reader(LATEST)).is_at_end


async def test_a_following_reader_waits_for_more(rig: Rig) -> None:
    """Woken by an append, by the end of its time, and by closing."""
    reader = await rig.reader(follow=True)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(reader.receive(max_records=5, wait_s=10))
        await turns()
        assert not waiting.done()
        await rig.append(1)
        await turns()
        assert bodies(waiting.result()) == [1]

        waiting = group.create_task(reader.receive(max_records=5, wait_s=10))
        await rig.clock.advance(11)
        assert waiting.result() == []

        async def closed() -> None:
            with pytest.raises(ClosedError):
                await reader.receive(max_records=5, wait_s=10)

        group.create_task(closed())
        await turns()
        await reader.aclose(timeout_s=1)
        await reader.aclose(timeout_s=1)


async def test_a_cancelled_receive_loses_no_record(rig: Rig) -> None:
    """It comes with the next call, and nobody waits in vain for the first."""
    reader = await rig.reader(follow=True)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(reader.receive(max_records=5, wait_s=10))
        await turns()
        waiting.cancel()
        await turns()
    await rig.append(1)

    assert await read(reader) == [1]


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        (StreamSpec("r", max_records=2), [4, 5]),
        (StreamSpec("r", max_bytes=3), [3, 4, 5]),
        (StreamSpec("r", max_age_s=25), [3, 4, 5]),
        (StreamSpec("r"), [1, 2, 3, 4, 5]),
    ],
)
async def test_retention_drops_the_oldest(rig: Rig, spec: StreamSpec, kept: list[int]) -> None:
    """By count, by size, by age; positions never repeat."""
    await rig.declare(spec)
    positions = []
    for number in range(1, 6):
        positions += await rig.append(number, topic="r")
        await rig.clock.advance(10)

    reader = await rig.stream.reader("r", EARLIEST, follow=False, prefetch=10)
    assert bodies(await reader.receive(max_records=10, wait_s=0)) == kept
    assert positions == ["1", "2", "3", "4", "5"]


async def test_a_reader_that_retention_has_passed_goes_on_with_what_is_left(rig: Rig) -> None:
    """And never sees what came after its end."""
    await rig.declare(StreamSpec("r", max_records=2))
    await rig.append(1, 2, 3, topic="r")
    reader = await rig.stream.reader("r", EARLIEST, follow=False, prefetch=10)
    await rig.append(4, 5, 6, topic="r")

    assert await read(reader) == []
    assert reader.is_at_end


async def test_a_group_keeps_its_place(rig: Rig) -> None:
    """A commit never moves it back."""
    positions = await rig.append(1, 2, 3)
    assert await rig.stream.committed("s", "g") is None
    await rig.stream.commit("s", "g", positions[2])
    await rig.stream.commit("s", "g", positions[0])

    assert await rig.stream.committed("s", "g") == positions[2]
    assert await rig.stream.ends("s") == positions[2]


@pytest.mark.parametrize("position", ["x", "99", "-1", "1.5"])
async def test_a_position_of_nothing_is_refused(rig: Rig, position: str) -> None:
    """For reading and for committing."""
    await rig.append(1)
    with pytest.raises(ConfigError, match="no position"):
        await rig.reader(After(position))
    with pytest.raises(ConfigError, match="no position"):
        await rig.stream.commit("s", "g", position)


async def test_an_undeclared_stream_is_unknown(rig: Rig) -> None:
    """For everybody who names it."""
    (result,) = await rig.stream.append([a_message(topic="u")], timeout_s=1)
    assert isinstance(result, Rejected)
    assert result.code == "not_found"
    for call in (
        rig.stream.ends("u"),
        rig.stream.reader("u", EARLIEST, follow=True, prefetch=1),
        rig.stream.commit("u", "g", "1"),
        rig.declare(StreamSpec("u"), mode="verify"),
    ):
        with pytest.raises(TopologyError, match="'u'"):
            await call
    await rig.declare(StreamSpec("u"), mode="assume")
    await rig.declare(StreamSpec("s"), mode="verify")


async def test_a_stream_tells_its_condition(rig: Rig, url: str) -> None:
    """Up, down during an outage, down once closed; then everything raises ClosedError."""
    from anymq.memory.space import space_named

    space = space_named(url.removeprefix("memory://"))
    assert (await rig.stream.health()).status == "up"
    space.outage = "no power"
    assert (await rig.stream.health()).status == "down"
    with pytest.raises(BackendUnavailable):
        await MemoryStream(MemoryOptions(host=space.name), BackendContext(rig.clock)).open(
            lambda event: None
        )
    space.outage = None

    reader = await rig.reader(follow=True)
    await rig.stream.aclose(timeout_s=1)
    assert (await rig.stream.health()).status == "down"
    with pytest.raises(ClosedError):
        await rig.append(1)
    with pytest.raises(ClosedError):
        await reader.receive(max_records=1, wait_s=0)
