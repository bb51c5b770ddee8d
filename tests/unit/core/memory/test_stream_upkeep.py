"""A memory stream keeps what it was told to keep, and nothing of who only came to look."""

from __future__ import annotations

from anymq.abc import BackendContext, StreamSpec
from anymq.abc.stream import EARLIEST, At
from anymq.errors import ConfigError, TopologyError
from anymq.memory.options import MemoryOptions
from anymq.memory.space import space_named
from anymq.memory.stream import MemoryStream
from anymq.message import Message
from anymq.testing.fake_clock import FakeClock
from anymq.topology import TopologyMode
from anymq.urls import parse_url

LIMIT_S = 5.0


async def test_retention_by_bytes_drops_the_oldest(url: str) -> None:
    """Of ten bodies of 100 bytes, 350 bytes keep the last three."""
    stream, _ = await _declared(url, StreamSpec("log", max_bytes=350))

    await stream.append([_message(n, b"x" * 100) for n in range(10)], timeout_s=LIMIT_S)

    assert await _read(stream) == ["7", "8", "9"]


async def test_retention_by_age_drops_the_oldest(url: str) -> None:
    """What is older than a minute goes with the next append."""
    stream, clock = await _declared(url, StreamSpec("log", max_age_s=60))

    await stream.append([_message(0)], timeout_s=LIMIT_S)
    await clock.advance(61)
    await stream.append([_message(1)], timeout_s=LIMIT_S)

    assert await _read(stream) == ["1"]


async def test_limits_that_are_declared_again_apply_from_then_on(url: str) -> None:
    """A second declaration changes how much is kept, and loses nothing by itself."""
    stream, _ = await _declared(url, StreamSpec("log"))
    await stream.append([_message(n) for n in range(5)], timeout_s=LIMIT_S)

    await _declare(stream, StreamSpec("log", max_records=3))
    before = await _read(stream)
    await stream.append([_message(5)], timeout_s=LIMIT_S)

    assert before == ["0", "1", "2", "3", "4"]
    assert await _read(stream) == ["3", "4", "5"]


async def test_another_number_of_partitions_is_refused(url: str) -> None:
    """The text tells both numbers."""
    stream, _ = await _declared(url, StreamSpec("log", partitions=2))

    try:
        await _declare(stream, StreamSpec("log", partitions=3))
    except TopologyError as error:
        text = str(error)
    else:
        text = ""

    assert "2 partition" in text
    assert "3" in text


async def test_a_clock_that_is_set_back_does_not_hide_records(url: str) -> None:
    """Moments never go back within a log, so that a reader by time finds all that came later."""
    stream, clock = await _declared(url, StreamSpec("log"))
    await stream.append([_message(0)], timeout_s=LIMIT_S)
    moment = clock.time()

    clock.set_back(100)
    await stream.append([_message(1)], timeout_s=LIMIT_S)

    assert await _read(stream, At(moment)) == ["0", "1"]


async def test_polling_an_idle_stream_leaves_nothing_behind(url: str) -> None:
    """A receive that ended in vain is not remembered until somebody appends."""
    stream, _ = await _declared(url, StreamSpec("log"))
    reader = await stream.reader("log", EARLIEST, follow=True, prefetch=1)

    for _ in range(20):
        assert await reader.receive(max_records=1, wait_s=0.0) == []

    assert space_named(parse_url(url).host or "").stream_waiters == []


async def test_a_closed_reader_is_forgotten(url: str) -> None:
    """A connection that serves many readers in turn does not collect them."""
    stream, _ = await _declared(url, StreamSpec("log"))

    for _ in range(3):
        reader = await stream.reader("log", EARLIEST, follow=True, prefetch=1)
        await reader.aclose(timeout_s=LIMIT_S)
        await reader.aclose(timeout_s=LIMIT_S)

    assert stream._readers == []


async def test_a_commit_beyond_the_end_is_refused(url: str) -> None:
    """A position that nobody was given would hide what is appended next."""
    stream, _ = await _declared(url, StreamSpec("log"))
    await stream.append([_message(0)], timeout_s=LIMIT_S)

    try:
        await stream.commit("log", "g", "7")
    except ConfigError as error:
        text = str(error)
    else:
        text = ""

    assert "'7'" in text
    assert await stream.committed("log", "g") is None


class _Clock(FakeClock):
    """May also be set back, as a machine's clock is."""

    back_s = 0.0

    def set_back(self, seconds: float) -> None:
        self.back_s += seconds

    def time(self) -> float:
        return super().time() - self.back_s


async def _declared(url: str, spec: StreamSpec) -> tuple[MemoryStream, _Clock]:
    clock = _Clock()
    options = MemoryOptions(host=parse_url(url).host or "")
    stream = MemoryStream(options, BackendContext(clock))
    await stream.open(lambda event: None)
    await _declare(stream, spec)
    return stream, clock


async def _declare(stream: MemoryStream, spec: StreamSpec) -> None:
    await stream.declare([spec], mode=TopologyMode.MANAGE, timeout_s=LIMIT_S)


async def _read(stream: MemoryStream, start: object = EARLIEST) -> list[str]:
    reader = await stream.reader("log", start, follow=False, prefetch=100)  # type: ignore[arg-type]
    found = await reader.receive(max_records=100, wait_s=0.0)
    await reader.aclose(timeout_s=LIMIT_S)
    return [record.message.id for record in found]


def _message(number: int, body: bytes = b"x") -> Message:
    return Message("log", body, str(number), 1.0)
