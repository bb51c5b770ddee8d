"""Groups on streams: what is committed, when, and who takes over."""

from __future__ import annotations

from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.stream_app import Feed, Member, feed, joined, numbers

__all__: list[str] = []

COUNT = 30
HOW = ("at once", "in the background", "on close", "before a takeover")


@check("STR-04", "commit_resume", family="stream")
async def commit_resume(bench: Bench) -> None:
    """Whoever restarts goes on behind what was done; a group of another name begins anew."""
    name = bench.topic("log")
    async with feed(bench, name) as log:
        await log.fill(range(COUNT))
        async with joined(log) as member:
            found = numbers(await member.take(11))
            expect(found == list(range(11)), f"the group began with {found}")
    async with feed(bench, name) as log:
        await log.fill(range(COUNT, COUNT + 5))
        async with joined(log) as member:
            rest = numbers(await member.take(COUNT + 5 - 10))
            expect(
                rest == list(range(10, COUNT + 5)), f"after ten were done it went on with {rest}"
            )
        async with joined(log, "other") as member:
            found = numbers(await member.take(COUNT + 5))
            expect(found == list(range(COUNT + 5)), f"another group began with {found}")


@check("STR-05", "commit_is_contiguous", family="stream")
async def contiguous(bench: Bench) -> None:
    """Done 0, 2 and 3 without 1: a restart gives 1, 2 and 3 again, however it was committed."""
    async with feed(bench) as log:
        await log.fill(range(COUNT))
        for number, how in enumerate(HOW):
            await _skip_one(log, f"g{number}", how)
            async with joined(log, f"g{number}", commit="manual") as member:
                found = numbers(await member.take(3))
                expect(found == [1, 2, 3], f"committed {how} without 1, it went on with {found}")


async def _skip_one(log: Feed, group: str, how: str) -> None:
    async with joined(log, group, commit="manual", commit_every_s=0.02) as member:
        records = await member.take(4)
        member.done([records[0], records[2], records[3]])
        if how == "at once":
            await member.reading.commit()
        elif how == "in the background":
            await _until_stored(member, records[0].position)
        elif how == "before a takeover":
            async with joined(log, group, commit="manual") as standing_by:
                await _until_stored(member, records[0].position)
                await member.reading.abandon()
                found = numbers(await standing_by.take(3))
                expect(found == [1, 2, 3], f"who took over without 1 got {found}")
        if how != "on close":
            await member.reading.abandon()


async def _until_stored(member: Member, position: str) -> None:
    log = member.feed
    stream = await log.app._lifecycle.streams.ready()

    async def is_stored() -> bool:
        return await stream.committed(log.handle.name, member.reading.group) == position

    await log.bench.wait_async(is_stored, "a commit in the background", 10)


@check("STR-06", "commit_on_close", family="stream")
async def commit_on_close(bench: Bench) -> None:
    """What was done is committed when the member closes, and when the application does."""
    name = bench.topic("log")
    async with feed(bench, name) as log:
        await log.fill(range(COUNT))
        async with joined(log, commit="manual", commit_every_s=3600) as member:
            member.done(await member.take(7))
        reading = log.handle.group("of-the-app", commit="manual", commit_every_s=3600)
        await reading.__aenter__()
        member = Member(log, reading)
        member.done(await member.take(9))
    async with feed(bench, name) as log:
        for group, done in (("g", 7), ("of-the-app", 9)):
            async with joined(log, group) as member:
                found = numbers(await member.take(1))
                expect(found == [done], f"after {done} were done, {group!r} went on with {found}")


@check("STR-08", "stuck_message_is_reported", family="stream")
async def stuck(bench: Bench) -> None:
    """A record that is not done for too long makes health unready, by name; lost ones do not."""
    async with feed(bench) as log:
        await log.fill(range(5))
        async with joined(log, commit="manual", stuck_after_s=0.2) as member:
            records = await member.take(3)
            member.done([records[0], records[2]])

            async def is_reported() -> bool:
                health = await log.app.health()
                return not health.ready and _names(health.checks, records[1].position)

            await bench.wait_async(is_reported, "health to name the record that is stuck")
            member.done([records[1]])
            expect((await log.app.health()).ready, "not ready, although nothing is stuck any more")
            await member.take(1)
        health = await log.app.health()
        expect(health.ready, f"a record of a member that left is reported: {health.checks}")


def _names(checks: dict[str, str], position: str) -> bool:
    return any(position in text for text in checks.values())


@check("STR-09", "pending_recovery", family="stream")
async def pending_recovery(bench: Bench) -> None:
    """What a dead member had in hand comes to the one that stands by, in order, and no sooner."""
    async with feed(bench) as dying, feed(bench, dying.handle.name) as log:
        await log.fill(range(COUNT))
        async with joined(dying, commit="manual") as dead:
            records = await dead.take(10)
            dead.done(records[:4])
            await dead.reading.commit()
            async with joined(log) as member:
                await bench.quiet()
                expect(not member.reading.partitions, "two members have one partition")
                await dead.reading.abandon()
                found = numbers(await member.take(COUNT - 4))
                expect(found == list(range(4, COUNT)), f"after four were done came {found}")


@check("GRP-07", "member_leaves_work_moves", family="stream")
async def member_leaves(bench: Bench) -> None:
    """A member closes: the one that stood by goes on at once, not after a lease."""
    async with feed(bench) as log:
        await log.fill(range(COUNT))
        async with joined(log, lease_s=120) as standing_by_for:
            found = numbers(await standing_by_for.take(6))
            async with joined(log, lease_s=120) as member:
                await standing_by_for.reading.aclose()
                found += numbers(await member.take(COUNT - 5))
        wanted = [*range(6), *range(5, COUNT)]
        expect(found == wanted, f"over a member's leaving came {found}")
