"""Lies about opening, closing and health."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import field_validator

from anymq.abc import EventSink, Health, Record, Start
from anymq.capabilities import Capabilities
from anymq.errors import BackendUnavailable
from anymq.memory.capabilities import capabilities_of
from anymq.memory.options import MemoryOptions
from anymq.message import Message
from tests.conformance.broken_streams.lie import LyingReader, LyingStream, lie

__all__ = [
    "AnyPasswordWillDo",
    "AppendsAfterClose",
    "AppendsSilentlyAfterClose",
    "CloseHangsOnUnread",
    "CloseWaitsForReceive",
    "ClosedReaderIsEmpty",
    "ClosedReaderReads",
    "ConcurrentCloseFails",
    "DownAtStart",
    "FailsInAnOutage",
    "HealthRaisesBeforeOpen",
    "HealthRaisesInAnOutage",
    "LeavesATask",
    "NeverConnected",
    "OpensInAnOutage",
    "ReaderAfterClose",
    "SecondCloseFails",
    "UpAfterClose",
    "UpInAnOutage",
    "WrongPasswordIsAnOutage",
]


class _AnyPassword(MemoryOptions):
    @field_validator("username", "password", "port", "path")
    @classmethod
    def _only_a_name(cls, value: Any) -> Any:
        return value


@lie("any-password-will-do", "nobody looks at the password", "LIF-03", options=_AnyPassword)
class AnyPasswordWillDo(LyingStream):
    pass


@lie(
    "wrong-password-is-an-outage", "a refusal is a passing trouble", "LIF-03", options=_AnyPassword
)
class WrongPasswordIsAnOutage(LyingStream):
    async def open(self, events: EventSink) -> Capabilities:
        if self._options.password is not None:
            raise BackendUnavailable("the password was refused")
        return await super().open(events)


@lie("never-connected", "opening is not told", "LIF-01")
class NeverConnected(LyingStream):
    async def open(self, events: EventSink) -> Capabilities:
        return await super().open(lambda event: None)


@lie("opens-in-an-outage", "open succeeds without a backend", "LIF-02")
class OpensInAnOutage(LyingStream):
    async def open(self, events: EventSink) -> Capabilities:
        try:
            return await super().open(events)
        except BackendUnavailable:
            return capabilities_of(self._options)


@lie("fails-in-an-outage", "open raises what the client raises", "LIF-02")
class FailsInAnOutage(LyingStream):
    async def open(self, events: EventSink) -> Capabilities:
        try:
            return await super().open(events)
        except BackendUnavailable as error:
            raise ConnectionRefusedError(str(error)) from error


@lie("second-close-fails", "closing twice is an error", "LIF-04")
class SecondCloseFails(LyingStream):
    async def aclose(self, *, timeout_s: float) -> None:
        self._check_open()
        await super().aclose(timeout_s=timeout_s)


@lie("concurrent-close-fails", "two that close at once disturb each other", "LIF-07")
class ConcurrentCloseFails(LyingStream):
    closing = False

    async def aclose(self, *, timeout_s: float) -> None:
        if self.closing:
            raise RuntimeError("already closing")
        self.closing = True
        await asyncio.sleep(0)
        await super().aclose(timeout_s=timeout_s)
        self.closing = False


@lie("close-waits-for-receive", "close lets a waiting receive wait", "LIF-05")
class CloseWaitsForReceive(LyingStream):
    async def aclose(self, *, timeout_s: float) -> None:
        while self._space.stream_waiters:  # noqa: ASYNC110 - this is the lie
            await asyncio.sleep(0.01)
        await super().aclose(timeout_s=timeout_s)


@lie("close-hangs-on-unread", "close waits until everything was read", "LIF-06")
class CloseHangsOnUnread(LyingStream):
    async def aclose(self, *, timeout_s: float) -> None:
        until = asyncio.get_running_loop().time() + timeout_s * 2
        while any(reader._offset < reader._log.next_offset for reader in self._readers):
            if asyncio.get_running_loop().time() > until:
                break
            await asyncio.sleep(0.01)
        await super().aclose(timeout_s=timeout_s)


@lie("appends-after-close", "a closed connection goes on appending", "LIF-08")
class AppendsAfterClose(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        was_closed, self._closed = self._closed, False
        results = await super().append(records, timeout_s=timeout_s)
        self._closed = was_closed
        return results


@lie("appends-silently-after-close", "append after close is not an error", "LIF-08")
class AppendsSilentlyAfterClose(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        if self._closed:
            return []
        return await super().append(records, timeout_s=timeout_s)


@lie("closed-reader-is-empty", "receive after close returns nothing", "LIF-09")
class ClosedReaderIsEmpty(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        if self.inner._closed:
            return []
        return await super().receive(max_records=max_records, wait_s=wait_s)


@lie("closed-reader-reads", "receive goes on after close", "LIF-09")
class ClosedReaderReads(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        self.inner._closed = False
        return await super().receive(max_records=max_records, wait_s=wait_s)


@lie("reader-after-close", "a closed connection opens readers", "LIF-09")
class ReaderAfterClose(LyingStream):
    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        was_closed, self._closed = self._closed, False
        reader = await super().reader(stream, start, **options)
        self._closed = was_closed
        return reader


@lie("leaves-a-task", "a reader leaves something running", "LIF-14")
class LeavesATask(LyingReader):
    async def aclose(self, *, timeout_s: float) -> None:
        group = asyncio.TaskGroup()
        await group.__aenter__()
        group.create_task(asyncio.sleep(8))
        await super().aclose(timeout_s=timeout_s)


@lie("down-at-start", "health is down although all is well", "OBS-01", "LIF-01")
class DownAtStart(LyingStream):
    async def health(self) -> Health:
        return Health("down", "not yet")


@lie("up-in-an-outage", "health does not look", "OBS-02")
class UpInAnOutage(LyingStream):
    async def health(self) -> Health:
        return Health("down", "closed") if self._closed else Health("up")


@lie("health-raises-in-an-outage", "health raises instead of telling", "OBS-02", "OBS-03")
class HealthRaisesInAnOutage(LyingStream):
    async def health(self) -> Health:
        self._space.check_up()
        return await super().health()


@lie("health-raises-before-open", "health needs an open connection", "OBS-03")
class HealthRaisesBeforeOpen(LyingStream):
    is_open = False

    async def open(self, events: EventSink) -> Capabilities:
        found = await super().open(events)
        self.is_open = True
        return found

    async def health(self) -> Health:
        if not self.is_open:
            raise RuntimeError("not open")
        return await super().health()


@lie("up-after-close", "a closed connection is healthy", "OBS-03")
class UpAfterClose(LyingStream):
    async def health(self) -> Health:
        return Health("up")
