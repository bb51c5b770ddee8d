"""Where a reader starts and where a group stands: positions, moments, ends and commits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from anymq.abc import Record, Stream
from anymq.abc.stream import EARLIEST, LATEST, After, At
from anymq.capabilities import Support
from anymq.errors import AnyMQError, ConfigError, UnsupportedError
from anymq.message import Message
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.stream_probe import Log, declared, ids, opened, refused, same, within

__all__: list[str] = []

COUNT = 120
"""Enough for positions of one, two and three digits, which do not sort as text."""
CUTS = (0, 8, 9, 10, 98, 99, 100, COUNT - 1)


async def _no_replay(bench: Bench) -> None:
    async with opened(bench) as log:
        opening = log.stream.reader(log.name, EARLIEST, follow=False, prefetch=10)
        error = await refused(bench, opening, UnsupportedError, "reading what was, without replay,")
        expect("replay" in str(error), f"the refusal does not name replay: {error}")


@check("GRP-06", "start_position", family="stream", needs=("replay",), negative=_no_replay)
async def start_position(bench: Bench) -> None:
    """Earliest, latest, after, at: each as said, to the end or following; groups keep theirs."""
    async with opened(bench) as log:
        await _check_empty(log)
        sent = await _fill_unevenly(log)
        got = await log.read(EARLIEST)
        same(sent, got)
        await _check_after(log, got)
        await _check_at(log, got)
        await _check_groups(log, got)
        await _check_foreign(log)
        await _check_latest(log, got)


async def _check_empty(log: Log) -> None:
    """An empty stream: nothing to read, and its end is a position like any other."""
    end = await within(log.bench, log.stream.ends(log.name), "ends of an empty stream")
    expect(isinstance(end, str), f"ends of an empty stream: {end!r}")
    expect(end, "ends of an empty stream is no position")
    for start in (EARLIEST, LATEST, After(end), At(0.0)):
        same([], await log.read(start))
    other = await declared(log.bench, log.stream, "from-the-first")
    begin = await other.stream.ends(other.name)
    sent = await other.fill(3)
    same(sent, await other.read(After(begin)))


async def _fill_unevenly(log: Log) -> list[Message]:
    """COUNT records, some alone, some together, between which the backend's clock has moved."""
    sent = await log.fill(COUNT // 2)
    before = (await log.read())[-1].appended_at

    async def has_moved() -> bool:
        sent.extend(await log.fill(1, first=len(sent)))
        return (await log.read())[-1].appended_at > before

    await log.bench.wait_async(has_moved, "the backend to date a record later", 10)
    for first, count in ((len(sent), 1), (len(sent) + 1, max(1, COUNT - len(sent) - 1))):
        sent += await log.fill(count, first=first)
    return sent


async def _check_after(log: Log, got: Sequence[Record]) -> None:
    """A position may be stored as text and used later, over another connection."""
    stored = json.loads(json.dumps([record.position for record in got]))
    async with log.bench.stream() as stream:
        other = Log(log.bench, stream, log.name)
        for cut in (*CUTS[:-1], len(got) - 1):
            rest = ids(await other.read(After(stored[cut])))
            expect(rest == ids(got[cut + 1 :]), f"After record {cut} came {_told(rest, got)}")
        end = await stream.ends(log.name)
        rest = ids(await other.read(After(end)))
        expect(not rest, f"After what ends told came {_told(rest, got)}")


async def _check_at(log: Log, got: Sequence[Record]) -> None:
    """From the first record that the backend dated at the moment or later."""
    moments = sorted({record.appended_at for record in got})
    if log.bench.capabilities.level("seek") is Support.UNSUPPORTED:
        opening = log.stream.reader(log.name, At(moments[0]), follow=False, prefetch=10)
        await refused(log.bench, opening, UnsupportedError, "At without seek")
        return
    expect(len(moments) > 1, "all records are dated alike")
    asked = (0.0, moments[0] - 60, moments[0], moments[-1], moments[-1] + 3600)
    for moment in (*asked, moments[len(moments) // 2]):
        wanted = [record.message.id for record in got if record.appended_at >= moment]
        found = ids(await log.read(At(moment)))
        since = moment - moments[0]
        expect(
            found == wanted,
            f"At {since:+.3f} s from the first of {len(got)} came {_told(found, got)},"
            f" not {len(wanted)}",
        )


async def _check_groups(log: Log, got: Sequence[Record]) -> None:
    """A commit is kept beyond the connection, moves forward only, and is the group's alone."""
    stream, name = log.stream, log.name
    expect(await stream.committed(name, "g") is None, "a group that never committed stands there")
    for cut in (*CUTS[:-1], len(got) - 1):
        await _commit(log, stream, cut, got)
    for cut in reversed(CUTS[:-1]):
        await within(log.bench, stream.commit(name, "g", got[cut].position), "commit", 12)
        await _check_stands(stream, name, "g", got[-1].position, f"a commit back to {cut}")
    other = await stream.committed(name, "other")
    expect(other is None, f"another group's commit moved this one to {other!r}")
    await stream.commit(name, "other", got[4].position)
    await log.read(EARLIEST)
    await log.read(After(got[50].position))
    async with log.bench.stream() as fresh:
        await _check_stands(fresh, name, "g", got[-1].position, "reading and opening again")
        await _check_stands(fresh, name, "other", got[4].position, "reading and opening again")
        start = await fresh.committed(name, "other")
        rest = ids(await Log(log.bench, fresh, name).read(After(start or "")))
        expect(rest == ids(got[5:]), f"after a commit of record 4 came {_told(rest, got)}")


async def _commit(log: Log, stream: Stream, cut: int, got: Sequence[Record]) -> None:
    await within(log.bench, stream.commit(log.name, "g", got[cut].position), "commit", 12)
    await _check_stands(stream, log.name, "g", got[cut].position, f"a commit of record {cut}")


async def _check_stands(stream: Stream, name: str, group: str, wanted: str, after: str) -> None:
    found = await stream.committed(name, group)
    expect(found == wanted, f"after {after} group {group!r} stands at {found!r}, not {wanted!r}")


async def _check_foreign(log: Log) -> None:
    """What is no position is refused by a typed error, and changes nothing."""
    stand = await log.stream.committed(log.name, "g")
    for text in ("", "not a position", "ü", "-"):
        opening = log.stream.reader(log.name, After(text), follow=False, prefetch=10)
        await refused(log.bench, opening, ConfigError, f"After({text!r})")
        committing = log.stream.commit(log.name, "g", text)
        await refused(log.bench, committing, AnyMQError, f"commit of {text!r}")
    found = await log.stream.committed(log.name, "g")
    expect(found == stand, "a refused commit moved the group")


async def _check_latest(log: Log, got: Sequence[Record]) -> None:
    """Latest is what is appended after the reader opened; without follow the end is what it was."""
    first = len(got)
    same([], await log.read(LATEST))
    async with (
        log.reader(LATEST) as latest,
        log.reader(After(got[-3].position)) as after,
        log.reader(After(got[-3].position), follow=False) as bounded,
        log.reader(LATEST, follow=False) as nothing,
    ):
        more = await log.fill(10, first=first)
        same(more, await log.take(latest, 10))
        found = ids(await log.take(after, 12))
        expect(found == [*ids(got[-2:]), *[m.id for m in more]], "following After lost its place")
        rest = ids(await log.rest(bounded))
        expect(rest == ids(got[-2:]), f"to what was last at the opening came {_told(rest, got)}")
        same([], await log.rest(nothing))
        for reader in (bounded, nothing):
            expect(not await log.receive(reader, 10, 0.0), "records came behind the end")
            expect(reader.is_at_end, "a reader that was at its end is not any more")
        await log.nothing_more(latest)
        following = (latest.is_at_end, after.is_at_end)
        expect(not any(following), "a reader that follows says that it is at its end")


def _told(found: Sequence[str], got: Sequence[Any]) -> str:
    """Which records these are, for the failure's text."""
    numbers = {record.message.id: number for number, record in enumerate(got)}
    if not found:
        return "nothing"
    return f"{len(found)} from record {numbers.get(found[0], 'unknown')} on"
