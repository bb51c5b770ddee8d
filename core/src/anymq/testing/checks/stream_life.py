"""The Stream's life: opening, failing to open, and closing whatever is going on."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.abc import BackendContext, Stream, StreamReader
from anymq.abc.stream import EARLIEST, LATEST
from anymq.capabilities import CAPABILITY_NAMES, Capabilities, Support
from anymq.config import Settings, resolve_role
from anymq.errors import AccessDenied, BackendUnavailable, ClosedError, ConfigError, classify
from anymq.support.clock import SystemClock
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.checks.secrets import no_secret, told_by, with_secret
from anymq.testing.decoys import subject_of
from anymq.testing.outage import outage
from anymq.testing.stream_probe import Log, declared, opened, refused, same, unopened, within

__all__: list[str] = []


@check("LIF-01", "connect_and_ping", family="stream")
async def connect(bench: Bench) -> None:
    """open tells the capabilities and ``connected``; then health is up."""
    events: list[Any] = []
    async with unopened(bench) as stream:
        found = await within(bench, stream.open(events.append), "open", 10)
        expect(isinstance(found, Capabilities), f"open gave a {type(found).__name__}")
        odd = set(found.support) - set(CAPABILITY_NAMES)
        expect(not odd, f"open names capabilities that do not exist: {sorted(odd)}")
        expect(found.level("replay") is not Support.UNSUPPORTED, "a Stream without replay")
        kinds = [event.kind for event in events]
        expect(kinds[:1] == ["connected"], f"events of the opening: {kinds}")
        health = await within(bench, stream.health(), "health", 3)
        expect(health.status == "up", f"health is {health.status!r}: {health.detail}")


@check("LIF-02", "start_fails_fast_or_waits_as_configured", family="stream")
async def fails_fast(bench: Bench) -> None:
    """With the backend down, open raises a transient error in time and leaves nothing half open;
    once it is back, it opens."""
    async with outage(bench) as down:
        async with unopened(bench) as stream:
            opening = stream.open(bench.events.append)
            error = await refused(bench, opening, BackendUnavailable, "open in an outage")
            expect(classify(error) == "transient", f"the error is {classify(error)}")
            expect(bool(str(error)), "the error says nothing")
        await down.end()
    async with opened(bench) as log:
        sent = await log.fill(3)
        same(sent, await log.read())


@check("LIF-03", "bad_credentials_are_permanent", family="stream")
async def bad_credentials(bench: Bench) -> None:
    """Wrong credentials (any, where the backend has none) are refused at once and for good: by the
    options, or by open. Nothing shows them."""
    plugin = await subject_of(bench)
    secret = f"kit-wr0ng-{bench.run_id}"
    events: list[Any] = []
    try:
        settings = Settings(url=with_secret(plugin, secret))
        options = resolve_role(settings, "broker", bench.registry).options
        make = plugin.descriptor.stream
        expect(make is not None, "the backend has no Stream")
        if make is not None:
            stream = make(options, BackendContext(SystemClock(), client_id="kit"))
            await _open_and_fail(bench, stream, events)
    except (AccessDenied, ConfigError) as error:
        expect(classify(error) == "fatal", f"the refusal is {classify(error)}")
        no_secret(secret, "the refusal", told_by(error))
    else:
        raise CheckFailed(f"{plugin.scheme}:// was opened with a wrong password")
    kinds = [event.kind for event in events]
    expect("connected" not in kinds, f"a refused open told {kinds}")
    no_secret(secret, "an event", map(repr, events))


async def _open_and_fail(bench: Bench, stream: Stream, events: list[Any]) -> None:
    try:
        await within(bench, stream.open(events.append), "open with a wrong password", 10)
    finally:
        await within(bench, stream.aclose(timeout_s=5.0), "close after a refused open", 6)


@check("LIF-04", "close_is_idempotent", family="stream")
async def close_twice(bench: Bench) -> None:
    """A second close does nothing: of a reader, of a Stream, of one that was never opened."""
    async with unopened(bench) as stream:
        for _ in range(2):
            await within(bench, stream.aclose(timeout_s=2.0), "closing what was never opened")
    async with opened(bench) as log:
        await log.fill(3)
        reader = await log.stream.reader(log.name, EARLIEST, follow=True, prefetch=10)
        await log.take(reader, 1)
        for _ in range(2):
            await within(bench, reader.aclose(timeout_s=2.0), "closing a reader")
        for _ in range(2):
            await within(bench, log.stream.aclose(timeout_s=2.0), "closing a stream")
        await within(bench, reader.aclose(timeout_s=2.0), "closing a reader after its stream")


@check("LIF-05", "close_while_waiting_for_ack", family="stream")
async def close_uncommitted(bench: Bench) -> None:
    """close returns in time although records were never committed and a receive still waits, and
    that receive ends."""
    async with opened(bench) as log, asyncio.TaskGroup() as group:
        await log.fill(10)
        reading = await log.stream.reader(log.name, EARLIEST, follow=True, prefetch=10)
        waiting = await log.stream.reader(log.name, LATEST, follow=True, prefetch=10)
        await log.take(reading, 5)
        task = group.create_task(_receive(waiting))
        await bench.quiet()
        expect(not task.done(), "a receive that has nothing to return came back early")
        await within(bench, log.stream.aclose(timeout_s=2.0), "close with a waiting receive", 3)
        got = await within(bench, task, "a receive that waited when its stream closed", 3)
        expect(not got, "a receive without records gave some when its stream closed")


@check("LIF-06", "close_while_consumer_not_reading", family="stream")
async def close_unread(bench: Bench) -> None:
    """close returns in time although nobody reads what was fetched."""
    async with opened(bench) as log:
        await log.fill(2000)
        for follow in (True, False):
            reader = await log.stream.reader(log.name, EARLIEST, follow=follow, prefetch=10)
            await log.take(reader, 1)
        await bench.quiet()
        await within(bench, log.stream.aclose(timeout_s=2.0), "close with unread records", 3)


@check("LIF-07", "concurrent_close", family="stream")
async def concurrent_close(bench: Bench) -> None:
    """Many closes of one connection while others open and close: all end, and reading works."""
    async with opened(bench) as log:
        sent = await log.fill(20)
        readers = [
            await log.stream.reader(log.name, EARLIEST, follow=True, prefetch=10) for _ in range(3)
        ]
        async with asyncio.timeout(bench.limit(15)), asyncio.TaskGroup() as group:
            for reader in readers:
                group.create_task(reader.aclose(timeout_s=5.0))
            for _ in range(5):
                group.create_task(log.stream.aclose(timeout_s=5.0))
            for _ in range(5):
                group.create_task(_open_and_close(bench))
        async with bench.stream() as stream:
            same(sent, await Log(bench, stream, log.name).read())
            same([], await (await declared(bench, stream, "empty")).read())


async def _open_and_close(bench: Bench) -> None:
    async with bench.stream():
        pass


async def _receive(reader: StreamReader) -> Any:
    try:
        return await reader.receive(max_records=10, wait_s=60)
    except ClosedError:
        return []
