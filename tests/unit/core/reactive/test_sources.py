"""Observables of other things than streams, and of a group's member."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import reactivex
from reactivex import operators
from reactivex.subject import Subject

from anymq import BufferFull, ConfigError, InvalidState
from anymq.reactive import from_async_iterable, map_async, to_async_iterable
from anymq.streams.handle import StreamHandle
from anymq.streams.record import StreamRecord
from tests.unit.core.doubles import turns
from tests.unit.core.reactive.flowing import drain, twice


async def test_any_iterable_can_be_observed() -> None:
    """Each subscription has its own; an error of the iterable is the Observable's."""
    closed: list[int] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(5):
                yield number
            raise LookupError("at the end")
        finally:
            closed.append(1)

    for _ in range(2):
        got: list[int] = []
        async with asyncio.TaskGroup() as group:
            observable = from_async_iterable(numbers, group=group).pipe(map_async(twice, 2))
            with pytest.raises(LookupError, match="at the end"):
                await drain(to_async_iterable(observable), got)
        assert got == [0, 2, 4, 6, 8][: len(got)]
    assert closed == [1, 1]


async def test_a_source_that_cannot_wait_is_bounded() -> None:
    """It ends with an error rather than with all memory; calls need a group to run in."""
    subject: Subject[int] = Subject()
    errors: list[Exception] = []
    subject.pipe(map_async(twice)).subscribe(on_error=errors.append)
    subject.on_next(1)
    assert isinstance(errors[0], InvalidState)

    async with asyncio.TaskGroup() as group:
        errors.clear()
        subject = Subject()
        subject.pipe(map_async(twice, group=group, max_waiting=3)).subscribe(on_error=errors.append)
        for number in range(10):
            subject.on_next(number)
        assert [type(error) for error in errors] == [BufferFull]


async def test_a_foreign_source_is_mapped_in_a_group() -> None:
    """Whatever reactivex makes."""
    results: list[int] = []
    async with asyncio.TaskGroup() as group:
        reactivex.of(1, 2, 3).pipe(map_async(twice, 2, group=group)).subscribe(results.append)

    assert results == [2, 4, 6]


async def test_a_loop_that_cannot_keep_up_with_a_subject_ends() -> None:
    """With what it has no room for."""
    subject: Subject[int] = Subject()
    got: list[int] = []

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(
            raised_by(drain(to_async_iterable(subject, max_buffered=2), got))
        )
        await turns(5)
        for number in range(5):
            subject.on_next(number)

    assert isinstance(reading.result(), BufferFull)
    assert got == [0, 1, 2, 3, 4][: len(got)]


async def raised_by(work: Any) -> Exception | None:
    """The error that something ends with."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - that is asked for
        return error
    return None


async def test_a_member_of_a_group_can_be_observed(stream: StreamHandle[int]) -> None:
    """Records are done when that is said; only by hand."""
    async with stream.group("auto") as member:
        with pytest.raises(ConfigError, match="manual"):
            member.observable()
    async with stream.group("g", commit="manual") as member:

        async def handle(record: StreamRecord[int]) -> int:
            await asyncio.sleep(0)
            member.done(record)
            return record.value

        observable = member.observable().pipe(map_async(handle, 4), operators.take(10))
        got = [value async for value in to_async_iterable(observable)]
    async with stream.group("g", commit="manual") as member:
        first = (await anext(member.__aiter__())).value

    assert got == list(range(10))
    assert 10 <= first <= 14


def test_limits_are_at_least_one() -> None:
    """Told where it is written."""
    with pytest.raises(ConfigError):
        map_async(twice, 0)
    with pytest.raises(ConfigError):
        map_async(twice, max_waiting=0)
