"""What the operator's view promises: nothing changes by looking, and each number is true."""

from __future__ import annotations

from typing import Any

from anymq.abc import Management
from anymq.errors import Busy
from anymq.outcome import Confirmed
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, also, expect
from anymq.testing.probe import nothing_more

__all__: list[str] = []


async def _bury(bench: Bench, broker: Any, topic: str, group: str, count: int) -> list[str]:
    """Send dead letters of a group, one after the other; their ids."""
    ids = []
    for number in range(count):
        meta = {"anymq-death-reason": f"reason {number}"}
        dead = bench.message(topic, b"%d" % number, group=group, lane="dead", meta=meta)
        results = await broker.send([dead], timeout_s=bench.limit(5))
        expect(isinstance(results[0], Confirmed), f"a dead letter was answered {results[0]}")
        ids.append(dead.id)
    return ids


async def _listed(management: Management, topic: str, group: str = "g") -> list[str]:
    entries = await management.dead_letters(topic, group, limit=100)
    return [entry.message.id for entry in entries]


@also("RTY-18")
async def listing(bench: Bench) -> None:
    """Oldest first, in pages, as often as one likes; resolved by id, once, each for itself."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g", "other")
        ids = await _bury(bench, broker, topic, "g", 5)
        management = broker.management()
        expect(await _listed(management, topic) == ids, "dead letters are not listed oldest first")
        expect(await _listed(management, topic) == ids, "listing changed the list")
        first = await management.dead_letters(topic, "g", limit=2)
        expect(len(first) == 2, f"a page of 2 has {len(first)} entries")
        second = await management.dead_letters(topic, "g", limit=2, after=first[-1].id)
        pages = [entry.message.id for entry in (*first, *second)]
        expect(pages == ids[:4], "the second page does not go on where the first one ended")
        last = await management.dead_letters(topic, "g", limit=9, after=second[-1].id)
        expect([e.message.id for e in last] == ids[4:], "the last page holds something else")
        for entry, number in zip(first, range(2), strict=True):
            expect((entry.topic, entry.group) == (topic, "g"), f"listed for {entry.group!r}")
            expect(entry.message.body == b"%d" % number, "a dead letter's body changed")
            reason = entry.message.meta.get("anymq-death-reason")
            expect(reason == f"reason {number}", f"a dead letter's reason became {reason!r}")
        gone = [first[0].id, second[0].id]
        for times, wanted in (("first", 2), ("second", 0)):
            count = await management.resolve(topic, "g", gone, "purged")
            expect(count == wanted, f"resolving two ids for the {times} time gave {count}")
        left = [ids[1], ids[3], ids[4]]
        expect(await _listed(management, topic) == left, "resolving two removed other ones too")
        mixed = await management.resolve(topic, "g", [gone[0], first[1].id], "replayed")
        expect(mixed == 1, f"resolving one that is gone and one that is not gave {mixed}")


@also("GRP-12")
async def private_dead_letters(bench: Bench) -> None:
    """One group's dead letters are no other group's, and nobody's messages."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "a", "b")
        members = [await bench.subscribe(broker, topic, group) for group in ("a", "b", None)]
        ids = await _bury(bench, broker, topic, "a", 2)
        management = broker.management()
        expect(await _listed(management, topic, "a") == ids, "group a's dead letters are not there")
        expect(not await _listed(management, topic, "b"), "group b has dead letters of group a")
        for member in members:
            await nothing_more(bench, member, "a dead letter was delivered")


@also("RTY-18")
async def one_operator(bench: Bench) -> None:
    """While one operator holds dead letters, another one is Busy; afterwards not any more."""
    async with bench.broker() as broker, bench.broker() as other:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        await _bury(bench, broker, topic, "g", 2)
        mine, yours = broker.management(), other.management()
        entries = await yours.dead_letters(topic, "g", limit=10)
        async with mine.administer(topic, "g", lease_s=30):
            try:
                async with yours.administer(topic, "g", lease_s=30):
                    raise CheckFailed("two operators hold the same dead letters at once")
            except Busy:
                pass
            try:
                await yours.resolve(topic, "g", [entries[0].id], "purged")
            except Busy:
                pass
            else:
                raise CheckFailed("resolved what another operator holds")
            count = await mine.resolve(topic, "g", [entries[0].id], "purged")
            expect(count == 1, f"the operator who holds them resolved {count}")
        async with yours.administer(topic, "g", lease_s=30):
            count = await yours.resolve(topic, "g", [entries[1].id], "purged")
        expect(count == 1, f"the next operator resolved {count}")


@also("RTY-18")
async def purging(bench: Bench) -> None:
    """Purging drops what waits, and neither what is in flight nor dead, nor any other group's."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g", "other")
        member = await bench.subscribe(broker, topic, "g", prefetch=2)
        await broker.send([bench.message(topic) for _ in range(6)], timeout_s=bench.limit(5))
        held = await bench.take(member, 2)
        ids = await _bury(bench, broker, topic, "g", 1)
        management = broker.management()
        count = await management.purge(topic, "g")
        expect(count == 4, f"four messages waited, and purge says {count}")
        expect(await _listed(management, topic) == ids, "purging dropped dead letters")
        await member.aclose(timeout_s=bench.limit(5))
        heir = await bench.subscribe(broker, topic, "g")
        again = await bench.take(heir, 2)
        expect({d.id for d in again} == {d.id for d in held}, "purging dropped what was in flight")
        await bench.settle(heir, *again)
        await nothing_more(bench, heir, "purged messages came")
        untouched = await bench.subscribe(broker, topic, "other")
        await bench.settle(untouched, *await bench.take(untouched, 6))


@also("GRP-09")
async def members_are_counted(bench: Bench) -> None:
    """A group knows who is there: it is not removed under its members, and closing is leaving."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        management = broker.management()
        members = [await bench.subscribe(broker, topic, "g") for _ in range(2)]
        await _until_members(bench, management, topic, 2)
        try:
            await management.remove_group(topic, "g")
        except Busy:
            pass
        else:
            raise CheckFailed("a group was removed under its members")
        for number, member in enumerate(members, 1):
            await member.aclose(timeout_s=bench.limit(5))
            await _until_members(bench, management, topic, 2 - number)
        await management.remove_group(topic, "g")
        expect(not await management.groups(topic), "a removed group is still listed")


async def _until_members(bench: Bench, management: Management, topic: str, count: int) -> None:
    seen: int | None = None

    async def as_many() -> bool:
        nonlocal seen
        seen = (await management.groups(topic))[0].members
        return seen is None or seen == count

    try:
        await bench.wait_async(as_many, "the members")
    except CheckFailed:
        raise CheckFailed(f"{count} members are there, and the group counts {seen}") from None


@also("ACK-03")
async def numbers_are_true(bench: Bench) -> None:
    """Ready, in flight, delayed and dead are as they are, where the backend tells them."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g", prefetch=2)
        await broker.send([bench.message(topic) for _ in range(5)], timeout_s=bench.limit(5))
        held = await bench.take(member, 2)
        await _bury(bench, broker, topic, "g", 1)
        management = broker.management()
        await _until_numbers(bench, management, topic, ready=3, in_flight=2, delayed=0, dead=1)
        await bench.settle(member, *held)
        await bench.settle(member, *await bench.take(member, 2))
        await bench.settle(member, *await bench.take(member, 1))
        await _until_numbers(bench, management, topic, ready=0, in_flight=0, delayed=0, dead=1)


async def _until_numbers(bench: Bench, management: Management, topic: str, **wanted: int) -> None:
    seen: dict[str, int | None] = {}

    async def true() -> bool:
        state = (await management.groups(topic))[0]
        seen.update({name: getattr(state, name) for name in wanted})
        return all(seen[name] in (None, number) for name, number in wanted.items())

    try:
        await bench.wait_async(true, "the numbers")
    except CheckFailed:
        raise CheckFailed(f"there are {wanted}, and the group says {seen}") from None
