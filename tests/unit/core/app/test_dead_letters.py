"""Dead letters: listed, shown, replayed to their group alone, and purged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from anymq import App, Busy, Delivery, RetryPolicy
from anymq.memory.management import MemoryManagement
from anymq.message import Message
from anymq.outcome import CONFIRMED, Rejected, SendResult
from anymq.portable import dead_letters as module
from tests.unit.core.doubles import a_message, turns


class Shop:
    """An application whose handler fails until it is repaired."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.is_broken = True
        self.seen: list[tuple[str, int]] = []
        self.others: list[str] = []

        @app.subscriber("t", group="g", retry=RetryPolicy(max_attempts=1))
        async def handle(body: str, delivery: Delivery) -> None:
            self.seen.append((body, delivery.attempt))
            if self.is_broken:
                raise LookupError("broken")

        @app.subscriber("t", group="h")
        async def other(body: str) -> None:
            self.others.append(body)

    async def fill(self, *bodies: str) -> None:
        for body in bodies:
            await self.app.publish("t", body, message_id=body, headers={"a": "b"}, ttl_s=3600)


async def ids(app: App) -> list[str]:
    """The ids of the dead letters."""
    return [entry.id for entry in await app.dead_letters.entries("t", "g")]


@pytest.fixture
def shop(app: App) -> Shop:
    return Shop(app)


async def test_listing_removes_nothing_and_goes_on_where_it_was(app: App, shop: Shop) -> None:
    """Oldest first, in pages."""
    async with app.test() as t:
        await shop.fill("a", "b", "c")
        await t.settle()
        first = await app.dead_letters.entries("t", "g", limit=2)
        rest = await app.dead_letters.entries("t", "g", limit=2, after="b")

        assert [entry.id for entry in (*first, *rest)] == ["a", "b", "c"]
        assert await ids(app) == ["a", "b", "c"]


async def test_one_can_be_shown(app: App, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are before it; None if there is none."""
    monkeypatch.setattr(module, "PAGE", 1)
    async with app.test() as t:
        await shop.fill("a", "b")
        await t.settle()
        entry = await app.dead_letters.show("t", "g", "b")

        assert entry is not None
        assert entry.message.body == b'"b"'
        assert await app.dead_letters.show("t", "g", "z") is None


async def test_a_replay_reaches_its_group_alone_as_first_published(app: App, shop: Shop) -> None:
    """Same id, headers and body; the story removed, the attempts begun anew."""
    async with app.test() as t:
        await shop.fill("a", "b")
        await t.settle()
        shop.is_broken, shop.seen, shop.others = False, [], []
        t.published.clear()
        report = await app.dead_letters.replay("t", "g")
        await t.settle()
        replayed = t.published[0]

        assert (report.replayed, report.failed) == (2, ())
        assert await ids(app) == []
    assert shop.seen == [("a", 1), ("b", 1)]
    assert shop.others == []
    assert (replayed.id, replayed.headers, replayed.lane) == ("a", {"a": "b"}, "retry")
    assert not [name for name in replayed.meta if name.startswith("anymq-death")]


async def test_a_replay_may_choose_and_may_have_a_limit(
    app: App, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others stay where they are."""
    monkeypatch.setattr(module, "PAGE", 2)
    async with app.test() as t:
        await shop.fill("a", "b", "c", "d", "e")
        await t.settle()
        shop.is_broken = False
        assert (await app.dead_letters.replay("t", "g", ["b", "z"])).replayed == 1
        assert (await app.dead_letters.replay("t", "g", limit=3)).replayed == 3
        assert await ids(app) == ["e"]


async def test_what_could_not_be_sent_stays_and_is_reported_once(
    app: App, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are replayed; nothing is removed before its replay is confirmed."""
    async with app.test() as t:
        await shop.fill("a", "b", "c")
        await t.settle()
        shop.is_broken = False

        async def send(messages: Sequence[Message], timeout_s: float) -> Sequence[SendResult]:
            return [Rejected("full") if m.id == "a" else CONFIRMED for m in messages]

        app.dead_letters._send = send  # type: ignore[assignment]
        report = await app.dead_letters.replay("t", "g")

        assert (report.replayed, report.failed) == (2, ("a",))
        assert await ids(app) == ["a"]


async def test_a_replay_ends_although_everything_fails_again(
    app: App, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes back to the dead letters meanwhile is not replayed twice."""
    resolve = MemoryManagement.resolve

    async def slowly(self: MemoryManagement, *args: Any) -> int:
        found = await resolve(self, *args)
        await turns(60)
        return found

    monkeypatch.setattr(MemoryManagement, "resolve", slowly)
    async with app.test() as t:
        await shop.fill("a", "b")
        await t.settle()
        report = await app.dead_letters.replay("t", "g")
        await t.settle()

        assert report.replayed == 2
        assert sorted(await ids(app)) == ["a", "b"]
    assert len(shop.seen) == 4


async def test_purging_removes_all_or_some(app: App, shop: Shop) -> None:
    """And says how many there were."""
    async with app.test() as t:
        await shop.fill("a", "b", "c")
        await t.settle()
        assert await app.dead_letters.purge("t", "g", ["b", "z"]) == 1
        assert await app.dead_letters.purge("t", "g") == 2
        assert await app.dead_letters.purge("t", "g") == 0


async def test_two_operators_do_not_work_on_the_same(app: App, shop: Shop) -> None:
    """The second is told so."""
    async with app.test() as t, t.management().administer("t", "g", lease_s=60):
        with pytest.raises(Busy):
            await app.dead_letters.replay("t", "g")
        with pytest.raises(Busy):
            await app.dead_letters.purge("t", "g")


async def test_a_replayed_message_does_not_expire_at_once(app: App, shop: Shop) -> None:
    """Whoever replays it wants it handled, however long it lay there."""
    async with app.test() as t:
        await shop.fill("a")
        await t.settle()
        await t.advance(7200)
        shop.is_broken, shop.seen = False, []
        await app.dead_letters.replay("t", "g")
        await t.settle()

    assert shop.seen == [("a", 1)]


def test_what_revives_keeps_what_is_not_the_story_of_its_death() -> None:
    """The trace goes on."""
    from anymq.pipeline.failure import revive

    meta = {"traceparent": "00-x", "anymq-death-reason": "x", "anymq-alone": "1"}
    revived = revive(a_message(lane="dead", attempt=7, due_at=5.0, group="g", meta=meta))

    assert revived.meta == {"traceparent": "00-x"}
    assert (revived.attempt, revived.due_at, revived.lane, revived.group) == (1, None, "retry", "g")
