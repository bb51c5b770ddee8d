"""How long a topic keeps what no group fetches, and that its file does not grow for ever."""

from __future__ import annotations

import asyncio

import pytest

from anymq.outcome import CONFIRMED
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from anymq_sqlite import upkeep
from anymq_sqlite.broker import SqliteBroker
from tests.unit.sqlite.bench import CALL_S, Bench

LIMIT_S = 20
ROUNDS = 8
MANY = 2000
BATCH = 500
BODY = b"x" * 2000


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "TIDY_S", 0.05)


async def _declare(broker: SqliteBroker, retention_s: float | None, order: str = "none") -> None:
    topology = Topology(
        (TopicSpec("t", retention_s=retention_s),),
        (GroupSpec("t", "g", order),),  # type: ignore[arg-type]
    )
    await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)


async def _send(bench: Bench, broker: SqliteBroker, count: int, key: str | None = None) -> None:
    for begin in range(0, count, BATCH):
        messages = [bench.message(BODY, key=key) for _ in range(min(BATCH, count - begin))]
        assert set(await bench.send(broker, *messages)) == {CONFIRMED}


async def _until_waiting(bench: Bench, count: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        # The writer's thread tells nobody.
        while bench.query("SELECT count(*) FROM queue") != [(count,)]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_what_is_too_old_goes_and_the_rest_stays(bench: Bench) -> None:
    """By the time at which it was published."""
    broker = await bench.broker()
    await _declare(broker, 60.0)
    await _send(bench, broker, 3)
    bench.query(
        "UPDATE queue SET timestamp = timestamp - 61 WHERE seq < (SELECT max(seq) FROM queue)"
    )

    await _until_waiting(bench, 1)


async def test_without_a_limit_all_stays(bench: Bench) -> None:
    """A group that is away misses nothing; a limit that comes later counts from then on."""
    broker = await bench.broker()
    await _declare(broker, None)
    await _send(bench, broker, 3)
    bench.query("UPDATE queue SET timestamp = 0")
    other = Topology((TopicSpec("u", retention_s=0.01),), (GroupSpec("u", "g"),))
    await broker.declare(other, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    await bench.send(broker, bench.message(topic="u"))
    await _until_waiting(bench, 3)

    await _declare(broker, 60.0)

    await _until_waiting(bench, 0)


async def test_keys_do_not_hold_up_what_is_behind_them(bench: Bench) -> None:
    """With the first of a key gone, the next may go, too."""
    broker = await bench.broker()
    await _declare(broker, 0.05, "key")
    await _send(bench, broker, 5, key="k")

    await _until_waiting(bench, 0)


async def test_the_file_does_not_grow_for_ever(bench: Bench) -> None:
    """Nobody fetches; what is published again and again fills the pages that became free."""
    broker = await bench.broker()
    await _declare(broker, 0.01)
    sizes = []
    for _ in range(ROUNDS):
        await _send(bench, broker, MANY)
        await _until_waiting(bench, 0)
        sizes.append(bench.query("PRAGMA page_count")[0][0])

    assert max(sizes) <= 1.1 * (sizes[0] + upkeep.FREE_PAGES), f"pages after each round: {sizes}"
