"""Lies about dead letters and the operator's view."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from anymq.message import Message
from anymq.outcome import ACK, DeadLetter, Settlement
from tests.conformance.broken.lie import LyingBroker, LyingManagement, LyingMember, lie

__all__ = [
    "AdministerIsOpenToAll",
    "CountsNothing",
    "DeadLetterChangesTheBody",
    "DeadLetterComesTwice",
    "DeadLetterDropsFacts",
    "DeadLetterDropsHeaders",
    "DeadLetterGetsAnotherId",
    "DeadLetterIsDropped",
    "DeadLetterKeepsTheOriginal",
    "DeadLettersAreShared",
    "ExhaustedComesBack",
    "ListingIgnoresAfter",
    "ListingIgnoresLimit",
    "ListingIsUnordered",
    "ListingRemoves",
    "PurgeDropsDeadLetters",
    "PurgeKillsInFlight",
    "RemovesABusyGroup",
    "ReplayGoesToAll",
    "ResolveCountsWhatIsGone",
    "ResolveDoesNothing",
    "ResolveRaisesForTheGone",
    "ResolveRemovesAll",
]

Items = Sequence[Settlement]


class _Buried(LyingMember):
    """Stores something else than the dead letter it was given."""

    def bury(self, message: Message) -> Message:
        return message

    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        changed = [
            replace(i, message=self.bury(i.message or i.delivery.message))
            if isinstance(i.outcome, DeadLetter)
            else i
            for i in items
        ]
        return await self.inner.settle(changed, timeout_s=timeout_s)


@lie("dead-letter-drops-headers", "keeps no headers of a dead letter", "RTY-09", "RTY-18")
class DeadLetterDropsHeaders(_Buried):
    def bury(self, message: Message) -> Message:
        return replace(message, headers={})


@lie("dead-letter-drops-facts", "keeps no reason of a dead letter", "RTY-10")
class DeadLetterDropsFacts(_Buried):
    def bury(self, message: Message) -> Message:
        return replace(message, meta={})


@lie("dead-letter-gets-another-id", "gives a dead letter an id of its own", "RTY-09")
class DeadLetterGetsAnotherId(_Buried):
    def bury(self, message: Message) -> Message:
        return replace(message, id=f"dead-{message.id}")


@lie("dead-letter-changes-the-body", "wraps the body of a dead letter", "RTY-09", "RTY-14")
class DeadLetterChangesTheBody(_Buried):
    def bury(self, message: Message) -> Message:
        return replace(message, body=b'{"original": "' + message.body + b'"}')


@lie("dead-letter-is-dropped", "acknowledges what it should keep", "RTY-07", unharmed=["DEL-01"])
class DeadLetterIsDropped(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        acks = [replace(i, outcome=ACK) if isinstance(i.outcome, DeadLetter) else i for i in items]
        return await self.inner.settle(acks, timeout_s=timeout_s)


@lie("dead-letter-keeps-the-original", "leaves the original in its group", "RTY-07", "RTY-14")
class DeadLetterKeepsTheOriginal(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        held = dict(self.inner._held)
        results = await self.inner.settle(items, timeout_s=timeout_s)
        for item in items:
            token = item.delivery.token
            if isinstance(item.outcome, DeadLetter) and token in held:
                self.inner._held[token] = held[token]
                self.inner._leases[token] = 4e9
                held[token][1].in_flight += 1
        return results


@lie("exhausted-comes-back", "hands a dead letter out again after a restart", "RTY-07")
class ExhaustedComesBack(LyingBroker):
    async def subscribe(self, source: Any, **options: Any) -> Any:
        for topic in source.topics:
            group = self.space.group(topic, source.group) if source.group else None
            for message in tuple(group.dead.values()) if group else ():
                group.push(replace(message, attempt=1))  # type: ignore[union-attr]
        return await super().subscribe(source, **options)


@lie("dead-letters-are-shared", "shows every group's dead letters to all of them", "GRP-12")
class DeadLettersAreShared(LyingManagement):
    async def dead_letters(self, topic: str, group: str, **options: Any) -> Any:
        found: list[Any] = []
        for state in await self.inner.groups(topic):
            found += await self.inner.dead_letters(topic, state.name, **options)
        return found


@lie(
    "dead-letter-comes-twice",
    "lists every dead letter twice",
    "RTY-07",
    "RTY-18",
    unharmed=["DEL-01", "MSG-02"],
)
class DeadLetterComesTwice(LyingManagement):
    async def dead_letters(self, topic: str, group: str, **options: Any) -> Any:
        found = await self.inner.dead_letters(topic, group, **options)
        return [entry for entry in found for _ in range(2)]


@lie(
    "listing-removes",
    "takes dead letters off the list by showing them",
    "RTY-18",
    unharmed=["DEL-01", "MSG-02"],
)
class ListingRemoves(LyingManagement):
    async def dead_letters(self, topic: str, group: str, **options: Any) -> Any:
        found = await self.inner.dead_letters(topic, group, **options)
        await self.inner.resolve(topic, group, [entry.id for entry in found], "purged")
        return found


@lie("listing-ignores-limit", "lists all dead letters, whatever the limit", "RTY-18")
class ListingIgnoresLimit(LyingManagement):
    async def dead_letters(self, topic: str, group: str, *, limit: int, after: Any = None) -> Any:
        return await self.inner.dead_letters(topic, group, limit=10_000, after=after)


@lie("listing-ignores-after", "begins every page of dead letters at the first", "RTY-18")
class ListingIgnoresAfter(LyingManagement):
    async def dead_letters(self, topic: str, group: str, *, limit: int, after: Any = None) -> Any:
        return await self.inner.dead_letters(topic, group, limit=limit)


@lie("listing-is-unordered", "lists the newest dead letter first", "RTY-18")
class ListingIsUnordered(LyingManagement):
    async def dead_letters(self, topic: str, group: str, *, limit: int, after: Any = None) -> Any:
        if after is not None:
            return []
        return (await self.inner.dead_letters(topic, group, limit=limit))[::-1]


@lie("resolve-counts-what-is-gone", "counts dead letters that are gone", "RTY-18")
class ResolveCountsWhatIsGone(LyingManagement):
    async def resolve(self, topic: str, group: str, ids: Sequence[str], resolution: Any) -> int:
        await self.inner.resolve(topic, group, ids, resolution)
        return len(ids)


@lie("resolve-raises-for-the-gone", "raises for a dead letter that is gone", "RTY-18")
class ResolveRaisesForTheGone(LyingManagement):
    async def resolve(self, topic: str, group: str, ids: Sequence[str], resolution: Any) -> int:
        count = await self.inner.resolve(topic, group, ids, resolution)
        if count < len(ids):
            raise KeyError(ids[0])
        return count


@lie("resolve-does-nothing", "leaves a replayed dead letter on the list", "RTY-18")
class ResolveDoesNothing(LyingManagement):
    async def resolve(self, topic: str, group: str, ids: Sequence[str], resolution: Any) -> int:
        return len(ids)


@lie("resolve-removes-all", "removes all dead letters for one id", "RTY-18")
class ResolveRemovesAll(LyingManagement):
    async def resolve(self, topic: str, group: str, ids: Sequence[str], resolution: Any) -> int:
        every = await self.inner.dead_letters(topic, group, limit=10_000)
        await self.inner.resolve(topic, group, [entry.id for entry in every], resolution)
        return len(ids)


@lie("administer-is-open-to-all", "lets two operators work at once", "RTY-18")
class AdministerIsOpenToAll(LyingManagement):
    def administer(self, topic: str, group: str, *, lease_s: float) -> Any:
        @asynccontextmanager
        async def nothing() -> Any:
            yield

        return nothing()


@lie("replay-goes-to-all", "gives a replayed dead letter to every group", "GRP-12")
class ReplayGoesToAll(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        public = [replace(m, group=None) if m.lane != "dead" else m for m in messages]
        return await super().send(public, **options)


@lie("purge-kills-in-flight", "drops what handlers are at work on", "RTY-18")
class PurgeKillsInFlight(LyingBroker):
    class operator(LyingManagement):  # noqa: N801 - the attribute it fills
        async def purge(self, topic: str, group: str) -> int:
            for member in self.inner.liar._subscriptions:
                if any(g.topic == topic and g.name == group for g in member.groups):
                    held = [delivery for delivery, _ in tuple(member._held.values())]
                    await member.settle([Settlement(d, ACK) for d in held], timeout_s=5)
            return await self.inner.purge(topic, group)  # type: ignore[no-any-return]

    def management(self) -> Any:
        found: Any = super().management()
        found.inner.liar = self
        return found


@lie("purge-drops-dead-letters", "drops dead letters with what waits", "RTY-18")
class PurgeDropsDeadLetters(LyingManagement):
    async def purge(self, topic: str, group: str) -> int:
        every = await self.inner.dead_letters(topic, group, limit=10_000)
        await self.inner.resolve(topic, group, [entry.id for entry in every], "purged")
        return await self.inner.purge(topic, group)  # type: ignore[no-any-return]


@lie("removes-a-busy-group", "deletes a group that has members", "GRP-09")
class RemovesABusyGroup(LyingBroker):
    def management(self) -> Any:
        broker = self

        class Careless(LyingManagement):
            async def remove_group(self, topic: str, group: str) -> None:
                with broker.space.lock:
                    broker.space.remove(broker.space.group(topic, group))

        return Careless(super().management())


@lie("counts-nothing", "tells zero of every group", "ACK-03")
class CountsNothing(LyingManagement):
    async def groups(self, topic: str | None = None) -> Any:
        return [
            replace(state, ready=0, in_flight=0, delayed=0, dead=0)
            for state in await self.inner.groups(topic)
        ]
