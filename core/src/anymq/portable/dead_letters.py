"""Dead letters: list, show, replay and purge, the same on every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from anymq.abc import Broker, DeadLetterEntry
from anymq.errors import PluginError
from anymq.outcome import Confirmed
from anymq.pipeline.failure import mark_replayed, revive
from anymq.portable.settler import SendMany

__all__ = ["DeadLetters", "ReplayReport"]

PAGE = 200
SEND_TIMEOUT_S = 10.0
LEASE_S = 60.0


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did: how many came back to their group, and the ids that did not."""

    replayed: int
    failed: tuple[str, ...]


class DeadLetters:
    """Works on one (topic, group) at a time. Listing removes nothing."""

    def __init__(self, broker: Broker, send: SendMany) -> None:
        self._broker = broker
        self._send = send

    async def entries(
        self, topic: str, group: str, *, limit: int = 100, after: str | None = None
    ) -> Sequence[DeadLetterEntry]:
        """Up to ``limit`` dead letters, oldest first, those after an id."""
        management = self._broker.management()
        return await management.dead_letters(topic, group, limit=limit, after=after)

    async def show(self, topic: str, group: str, entry_id: str) -> DeadLetterEntry | None:
        """One dead letter by its id, or None."""
        async for page in self._pages(topic, group):
            for entry in page:
                if entry.id == entry_id:
                    return entry
        return None

    async def replay(
        self, topic: str, group: str, ids: Sequence[str] | None = None, *, limit: int | None = None
    ) -> ReplayReport:
        """Send dead letters (all, or these ids) back to their group alone; facts removed, counters
        reset. Each is removed only once its replay is confirmed.

        Raises Busy while another operator works on them.
        """
        management = self._broker.management()
        wanted = None if ids is None else set(ids)
        replayed = 0
        failed: list[str] = []
        tried: set[str] = set()
        """What fails again meanwhile comes to the dead letters again: once per replay is enough."""
        async with management.administer(topic, group, lease_s=LEASE_S):
            async for page in self._pages(topic, group):
                chosen = [
                    entry
                    for entry in page
                    if entry.id not in tried and (wanted is None or entry.id in wanted)
                ]
                if limit is not None:
                    chosen = chosen[: limit - replayed]
                tried.update(entry.id for entry in chosen)
                sent = await self._replay_page(chosen)
                failed += [entry.id for entry in chosen if entry.id not in sent]
                replayed += await management.resolve(topic, group, sent, "replayed")
                if limit is not None and replayed >= limit:
                    break
        return ReplayReport(replayed, tuple(failed))

    async def purge(self, topic: str, group: str, ids: Sequence[str] | None = None) -> int:
        """Remove dead letters for good (all, or these ids); how many there were.

        Raises Busy while another operator works on them.
        """
        management = self._broker.management()
        async with management.administer(topic, group, lease_s=LEASE_S):
            if ids is None:
                ids = [entry.id async for page in self._pages(topic, group) for entry in page]
            return await management.resolve(topic, group, ids, "purged")

    async def _replay_page(self, entries: Sequence[DeadLetterEntry]) -> list[str]:
        if not entries:
            return []
        copies = [mark_replayed(revive(entry.message)) for entry in entries]
        results = await self._send(copies, SEND_TIMEOUT_S)
        pairs = zip(entries, results, strict=True)
        return [entry.id for entry, result in pairs if isinstance(result, Confirmed)]

    async def _pages(self, topic: str, group: str) -> AsyncIterator[Sequence[DeadLetterEntry]]:
        management = self._broker.management()
        after: str | None = None
        while True:
            page = await management.dead_letters(topic, group, limit=PAGE, after=after)
            if not page:
                return
            if page[-1].id == after:
                raise PluginError(f"the backend lists dead letter {after!r} again and again")
            after = page[-1].id
            yield page
