"""Faults: a held lock, a missing or exchanged file, a full disk, leases after a long sleep."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from anymq.abc import Subscription
from anymq.errors import BackendUnavailable, TopologyError
from anymq.outcome import CONFIRMED, SETTLED, STALE, Rejected, Unknown
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from anymq_sqlite.presence import GONE, Presence, boottime, here, is_alive
from tests.unit.sqlite.bench import CALL_S, Bench, bodies


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Somebody else is writing."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_a_lock_of_three_seconds_is_waited_for(bench: Bench) -> None:
    """F33: sends and settlements come late; nobody sees a lock, and health stays up after."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    await bench.send(broker, bench.message(b"first"))
    (first,) = await bench.take(subscription, 1)
    async with asyncio.TaskGroup() as group:
        with _locked(bench.file):
            sending = group.create_task(bench.send(broker, bench.message(b"second")))
            settling = group.create_task(bench.settle(subscription, first))
            await asyncio.sleep(3.0)  # the length of the fault
            assert not sending.done()
            assert not settling.done()

    assert sending.result() == [CONFIRMED]
    assert settling.result() == [SETTLED]


async def test_a_lock_that_lasts_is_told(bench: Bench) -> None:
    """F46: at the limit the outcome is unknown and says why; then all works again."""
    broker = await bench.ready(busy_timeout_s=0.3)
    subscription = await bench.subscribe(broker)
    with _locked(bench.file):
        began = time.monotonic()
        (result,) = await bench.send(broker, bench.message())
        took_s = time.monotonic() - began
        with pytest.raises(BackendUnavailable, match="busy"):
            await broker.management().purge("t", "g")
        assert (await broker.health()).status == "down"

    assert isinstance(result, Unknown)
    assert "busy" in result.reason
    assert "locked" not in result.reason
    assert 0.25 < took_s < 1.0
    assert await bench.send(broker, bench.message(b"after")) == [CONFIRMED]
    assert bodies(await bench.take(subscription, 1)) == [b"after"]
    await _until(lambda: [event.kind for event in bench.events][-1] == "recovered")
    assert (await broker.health()).status == "up"


async def test_a_file_that_is_moved_away_and_back(bench: Bench, file: Path) -> None:
    """Nothing is confirmed meanwhile, nothing made in its place, waiting goes on."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    away = file.with_suffix(".away")

    async with asyncio.TaskGroup() as group:
        receiving = group.create_task(subscription.receive(max_messages=1, wait_s=CALL_S))
        await asyncio.sleep(0)
        os.rename(file, away)
        (lost,) = await bench.send(broker, bench.message(b"lost"))
        health = await broker.health()
        assert bench.file.name not in os.listdir(bench.file.parent)
        os.rename(away, file)
        await _until(lambda: "recovered" in [event.kind for event in bench.events])
        assert await bench.send(broker, bench.message(b"found")) == [CONFIRMED]

    assert isinstance(lost, Unknown)
    assert "gone from its place" in lost.reason
    assert health.status == "down"
    assert bodies(list(receiving.result())) == [b"found"]
    assert [event.kind for event in bench.events] == ["connected", "lost", "recovered"]


async def test_another_file_in_its_place(bench: Bench, tmp_path: Path) -> None:
    """What is damaged is refused for good; what is new gets what was declared, and is told."""
    broker = await bench.ready()
    for suffix in ("", "-wal", "-shm"):
        os.rename(f"{bench.file}{suffix}", f"{bench.file}.old{suffix}")
    bench.file.write_bytes(b"no database at all" * 100)

    (damaged,) = await bench.send(broker, bench.message())
    bench.file.unlink()
    bench.file.touch()
    sent = await bench.send(broker, bench.message(b"new"))
    subscription = await bench.subscribe(broker)

    assert isinstance(damaged, Unknown)
    assert "damaged" in damaged.reason
    assert sent == [CONFIRMED]
    assert bodies(await bench.take(subscription, 1)) == [b"new"]
    assert (await broker.health()).status == "degraded"
    assert "data reset" in (await broker.health()).detail
    told = [event.kind for event in bench.events]
    assert told == ["connected", "lost", "degraded", "recovered"]


async def test_above_the_limit_sends_are_rejected(bench: Bench) -> None:
    """``max_file_bytes``: full, until something is consumed."""
    broker = await bench.ready(max_file_bytes=1_048_576)
    subscription = await bench.subscribe(broker, prefetch=1000)
    results: list[Any] = []
    while not any(isinstance(result, Rejected) for result in results):
        results += await bench.send(broker, *[bench.message(b"x" * 10_000) for _ in range(20)])

    taken = await bench.take(subscription, 60)
    await bench.settle(subscription, *taken)

    assert {result.code for result in results if isinstance(result, Rejected)} == {"full"}
    assert await bench.send(broker, bench.message()) == [CONFIRMED]


async def test_who_slept_too_long_has_lost_what_it_held(bench: Bench) -> None:
    """F09: others took it for dead. It is told, its settlement is stale, and it goes on."""
    broker = await bench.ready()
    lost: list[Any] = []
    sleeper = await bench.subscribe(broker, on_lost=lost.extend)
    await bench.send(broker, bench.message(b"one"))
    (held,) = await bench.take(sleeper, 1)

    # What an inheritor does, which here would see that this process lives.
    bench.query("UPDATE queue SET state = 0, owner = NULL, redelivered = 1")
    bench.query("DELETE FROM membership")
    bench.query("DELETE FROM members")

    assert await bench.settle(sleeper, held) == [STALE]
    (again,) = await bench.take(sleeper, 1)
    assert (again.body, again.delivery_count, again.redelivered) == (b"one", 2, True)
    assert await bench.settle(sleeper, again) == [SETTLED]
    assert bench.query("SELECT count(*) FROM members") == [(1,)]


async def test_signs_of_life_find_out_that_nobody_believes_them(bench: Bench) -> None:
    """Without any call, within a third of the lease: on_lost."""
    broker = await bench.ready(lease_s=0.6)
    lost: list[Any] = []
    subscription = await bench.subscribe(broker, on_lost=lost.extend)
    await bench.send(broker, bench.message())
    taken = await bench.take(subscription, 1)

    bench.query("DELETE FROM members")

    await _until(lambda: lost == taken)


async def test_a_group_that_is_removed_ends_its_subscription(bench: Bench) -> None:
    """By another process, while a receive waits: a clear error, and no word about the file."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)

    async with asyncio.timeout(CALL_S), asyncio.TaskGroup() as group:
        receiving = group.create_task(_error_of(subscription))
        await asyncio.sleep(0)
        bench.query("DELETE FROM membership")
        bench.query("DELETE FROM groups")

    assert "removed" in str(receiving.result())
    assert [event.kind for event in bench.events] == ["connected"]


async def _error_of(subscription: Subscription) -> Exception:
    try:
        await subscription.receive(max_messages=1, wait_s=CALL_S)
    except TopologyError as error:
        return error
    raise LookupError("a receive from a group that is gone ended without an error")


async def test_the_dead_are_inherited_from(bench: Bench) -> None:
    """An abandoned Broker's messages, counted, within half a second."""
    victim, heir = await bench.ready(), await bench.ready()
    held = await bench.subscribe(victim)
    await bench.send(victim, bench.message())
    await bench.take(held, 1)
    waiting = await bench.subscribe(heir)

    victim.abandon()
    began = time.monotonic()
    (inherited,) = await bench.take(waiting, 1)

    assert time.monotonic() - began < 0.6
    assert (inherited.delivery_count, inherited.redelivered) == (2, True)


def test_who_lives() -> None:
    """By process id and start; by the last sign where that cannot be seen."""
    us, now = here(), boottime()
    other = Presence(us.boot, "pid:[another]", 4_000_000, 1)

    def alive(presence: Presence, beat_at: float = now) -> bool:
        return is_alive(presence, beat_at=beat_at, lease_s=10, us=us)

    assert alive(us)
    assert not alive(us, now - 11)
    assert not alive(Presence("another boot", us.space, us.pid, us.started))
    assert not alive(Presence(us.boot, us.space, us.pid, us.started - 1))
    assert not alive(Presence(us.boot, us.space, GONE, us.started))
    assert not alive(Presence(us.boot, us.space, 4_000_000, 1))
    assert alive(other)
    assert not alive(other, now - 11)
    blind = Presence(us.boot, us.space, us.pid, 0)  # where the system does not tell a start
    assert is_alive(us, beat_at=now, lease_s=10, us=blind)
    assert not is_alive(
        Presence(us.boot, us.space, 4_000_000, 0), beat_at=now, lease_s=10, us=blind
    )


async def test_a_file_that_has_it_otherwise(bench: Bench, tmp_path: Path) -> None:
    """Put in the place of ours: what it has stays as it is, and what it lacks is declared."""
    broker = await bench.ready()
    await bench.declare(broker, "u", "g")
    found = Bench(tmp_path / "found.db")
    other = await found.broker()
    topology = Topology((TopicSpec("t", 2),), (GroupSpec("t", "theirs"),))
    await other.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    await found.send(other, found.message(b"theirs"))
    await found.aclose()
    for suffix in ("", "-wal", "-shm"):
        os.rename(f"{bench.file}{suffix}", f"{bench.file}.old{suffix}")
    os.rename(found.file, bench.file)

    sent = await bench.send(broker, bench.message(topic="t"), bench.message(topic="u"))

    assert sent == [CONFIRMED, CONFIRMED]
    assert bench.query("SELECT name, partitions FROM topics ORDER BY 1") == [("t", 2), ("u", 1)]
    assert bench.query("SELECT count(*) FROM queue WHERE topic = 't'") == [(3,)]
    assert "data reset" in (await broker.health()).detail


async def _until(condition: Any) -> None:
    async with asyncio.timeout(CALL_S):
        while not condition():  # noqa: ASYNC110 - any condition
            await asyncio.sleep(0.01)
