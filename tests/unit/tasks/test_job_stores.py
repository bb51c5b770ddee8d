"""What every JobStore promises, asked of those that need no server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from anymq.abc import BackendContext, JobRecord, JobStore
from anymq.abc.job_store import TERMINAL_STATES, JobState
from anymq.config import Settings, resolve_role
from anymq.plugins.registry import Registry
from anymq.stores.sql_job_store import SqlJobStore
from anymq.support.clock import SystemClock
from anymq.support.ids import new_id
from anymq.urls import parse_url

__all__: list[str] = []

QUEUED = JobRecord("job-1", "queued", 1, progress=b"{}")
KINDS = [
    "memory",
    "sqlite",
    "sqlite+aiosqlite",
    pytest.param("redis", marks=pytest.mark.server("redis")),
    pytest.param("postgres", marks=pytest.mark.server("postgres")),
]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the store is."""
    if request.param == "memory":
        return f"memory://{new_id()}"
    if request.param in ("redis", "postgres"):
        return os.environ[f"ANYMQ_TEST_{request.param.upper()}_URL"]
    return f"{request.param}:///{tmp_path}/jobs.db"


@pytest.fixture
def namespace() -> str:
    """Of jobs that nobody else has."""
    return f"t{new_id()[-12:]}"


@pytest.fixture
async def store(url: str, namespace: str) -> AsyncIterator[JobStore]:
    """A store, open."""
    made = make(url, namespace)
    await made.open()
    yield made
    await made.aclose(timeout_s=5.0)


def make(url: str, namespace: str = "") -> JobStore:
    """A store, not open yet."""
    if url.startswith("sqlite+"):
        return SqlJobStore(url, BackendContext(SystemClock(), namespace))
    target = resolve_role(Settings(url=parse_url(url)), "tasks", Registry())
    factory = target.descriptor.job_store
    if factory is None:
        raise TypeError(f"{url} has no job store")
    return factory(target.options, BackendContext(SystemClock(), namespace))


async def test_a_new_job_is_stored_once(store: JobStore) -> None:
    """The second with the same id changes nothing, within one call as well."""
    other = replace(QUEUED, id="job-2")

    created = await store.create([QUEUED, other, replace(QUEUED, progress=b"other")])
    again = await store.create([replace(QUEUED, state="failed")])

    assert list(created) == [True, True, False]
    assert list(again) == [False]
    assert await store.get(["job-1", "job-3", "job-2"]) == [QUEUED, None, other]


async def test_nothing_asked_is_nothing_answered(store: JobStore) -> None:
    """Empty calls give empty answers."""
    assert list(await store.create([])) == []
    assert list(await store.get([])) == []


async def test_only_the_expected_version_is_replaced(store: JobStore) -> None:
    """Whoever is late changes nothing."""
    await store.create([QUEUED])
    running = replace(QUEUED, state="running", version=2)

    answers = [
        await store.replace(running, expected_version=1),
        await store.replace(replace(running, progress=b"late"), expected_version=1),
        await store.replace(replace(running, id="unknown"), expected_version=1),
    ]

    assert answers == [True, False, False]
    assert await store.get(["job-1"]) == [running]


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES))
async def test_the_first_terminal_state_wins(store: JobStore, state: JobState) -> None:
    """Even for who knows its version."""
    await store.create([QUEUED])
    ended = replace(QUEUED, state=state, version=2, result=b"\x00\xff", error=b"{}")
    await store.replace(ended, expected_version=1)

    is_replaced = await store.replace(replace(QUEUED, version=3), expected_version=2)

    assert not is_replaced
    assert await store.get(["job-1"]) == [ended]


async def test_of_many_who_compare_and_set_one_wins(store: JobStore) -> None:
    """However many try at once."""
    await store.create([QUEUED])
    tries = [replace(QUEUED, state="running", version=2, progress=b"%d" % n) for n in range(50)]

    won = await asyncio.gather(*(store.replace(one, expected_version=1) for one in tries))

    assert sum(won) == 1
    assert await store.get(["job-1"]) == [tries[won.index(True)]]


async def test_an_expired_job_is_unknown_and_its_id_free(store: JobStore) -> None:
    """Records do not stay for ever."""
    await store.create([replace(QUEUED, state="succeeded", expires_at=1.0)])

    found = await store.get(["job-1"])
    created = await store.create([QUEUED])

    assert found == [None]
    assert list(created) == [True]


async def test_a_tick_is_claimed_once(store: JobStore) -> None:
    """By one caller per schedule and tick, until it is forgotten."""
    claims = await asyncio.gather(
        *(store.claim_tick("nightly", "2026-11-24", ttl_s=60) for _ in range(20))
    )
    others = [
        await store.claim_tick("nightly", "2026-11-25", ttl_s=-1),
        await store.claim_tick("nightly", "2026-11-25", ttl_s=60),
        await store.claim_tick("hourly", "2026-11-24", ttl_s=60),
    ]

    assert sum(claims) == 1
    assert others == [True, True, True]


async def test_a_change_is_pushed(store: JobStore, url: str, namespace: str) -> None:
    """Also one that somebody else made."""
    await store.create([QUEUED, replace(QUEUED, id="job-2")])
    other = make(url, namespace)
    await other.open()
    try:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            waiting = group.create_task(store.changed(["job-1", "job-2"], wait_s=4))
            for version in range(1, 200):
                record = replace(QUEUED, id="job-2", version=version + 1)
                await other.replace(record, expected_version=version)
                await asyncio.sleep(0.01)
                if waiting.done():
                    break
    finally:
        await other.aclose(timeout_s=5)

    assert list(waiting.result()) == ["job-2"]


async def test_no_change_is_no_answer(store: JobStore) -> None:
    """When the time is up, at once for no time."""
    await store.create([QUEUED])

    assert list(await store.changed(["job-1"], wait_s=0.05)) == []


async def test_namespaces_have_jobs_of_their_own(url: str, namespace: str) -> None:
    """One file or space or server may be shared."""
    stores = [make(url, namespace), make(url, f"{namespace}-2")]
    for one in stores:
        await one.open()

    created = [list(await one.create([QUEUED])) for one in stores]
    found = [await one.get(["job-1"]) for one in stores]
    for one in stores:
        await one.aclose(timeout_s=5)

    assert created == [[True], [True]]
    assert found == [[QUEUED], [QUEUED]]
