"""Scenario 6: a stream read from a position to its end."""

from __future__ import annotations

from anymq.abc import Stream
from anymq.abc.stream import EARLIEST, After, At, Start, StreamSpec
from anymq.topology import TopologyMode
from tests.seam.seam import CALL_S, Seam
from tests.seam.traffic import append, read_to_end

NAME = "sales"


async def test_a_stream_is_read_from_a_position_to_its_end(seam: Seam) -> None:
    """After the seventh of twenty records come the other thirteen, in order, and then the end."""
    stream = await _stream_of_twenty(seam)

    everything = await _read(seam, stream, EARLIEST)
    rest = await _read(seam, stream, After(everything[6][1]))

    assert [number for number, _ in everything] == [f"{seam.run}-{n}" for n in range(20)]
    assert rest == everything[7:]
    assert len({position for _, position in everything}) == 20


async def test_nothing_is_behind_the_end_until_something_is_appended(seam: Seam) -> None:
    """``After(ends)`` is empty, and then exactly what was appended since."""
    stream = await _stream_of_twenty(seam)
    end = await stream.ends(NAME)
    before = await _read(seam, stream, After(end))

    await append(stream, [seam.message(NAME, 20)])

    after = await _read(seam, stream, After(end))
    assert before == []
    assert [number for number, _ in after] == [f"{seam.run}-20"]


async def test_a_stream_is_read_from_a_moment(seam: Seam) -> None:
    """``At`` gives what the backend dates at that moment or later, and nothing older."""
    stream = await _stream_of_twenty(seam)
    reader = await seam.reader(stream, NAME, EARLIEST)
    dates = {record.message.id: record.appended_at for record in await read_to_end(reader)}
    moment = dates[f"{seam.run}-10"]

    since = await _read(seam, stream, At(moment))
    ever = await _read(seam, stream, At(min(dates.values()) - 1.0))
    never = await _read(seam, stream, At(max(dates.values()) + 3600.0))

    assert [number for number, _ in since] == [i for i, date in dates.items() if date >= moment]
    assert [number for number, _ in ever] == list(dates)
    assert never == []


async def test_a_groups_position_never_moves_back(seam: Seam) -> None:
    """A commit is kept, a later one replaces it, an earlier one changes nothing."""
    stream = await _stream_of_twenty(seam)
    positions = [position for _, position in await _read(seam, stream, EARLIEST)]
    unset = await stream.committed(NAME, "desk")

    await stream.commit(NAME, "desk", positions[3])
    first = await stream.committed(NAME, "desk")
    await stream.commit(NAME, "desk", positions[6])
    await stream.commit(NAME, "desk", positions[3])
    last = await stream.committed(NAME, "desk")

    assert unset is None
    assert (first, last) == (positions[3], positions[6])
    assert await stream.committed(NAME, "archive") is None


async def _stream_of_twenty(seam: Seam) -> Stream:
    stream = await seam.open_stream()
    await stream.declare([StreamSpec(NAME)], mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    records = [seam.message(NAME, n) for n in range(20)]
    await append(stream, records[:10])
    await append(stream, records[10:])
    return stream


async def _read(seam: Seam, stream: Stream, start: Start) -> list[tuple[str, str]]:
    """Id and position of all records from ``start`` to the end."""
    reader = await seam.reader(stream, NAME, start)
    return [(record.message.id, record.position) for record in await read_to_end(reader)]
