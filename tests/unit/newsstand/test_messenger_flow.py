"""Messengers over HTTP and through messaging, on the application itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from anymq.memory.space import space_named
from newsstand.desk import Desk, build_desk
from newsstand.messengers.models import Messenger
from newsstand.settings import load_settings
from newsstand.storage.storage import Storage
from tests.unit.newsstand.conftest import Client
from tests.unit.newsstand.waiting import LIMIT_S, until

HIRED = {"firstname": "Ada", "lastname": "Brook", "salary": "1200.50", "vendor_id": 2}
SEEDED = 60


@asynccontextmanager
async def _watching(desk: Desk) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """What the feed shows from now on."""
    seen: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    watching = asyncio.Event()

    async def watch() -> None:
        async for event in desk.arrivals.watch():
            watching.set()
            if event.name == "messenger":
                seen.put_nowait(json.loads(event.data))

    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch())
        await watching.wait()
        yield seen
        task.cancel()


async def test_add_inserts_and_is_announced(desk: Desk, client: httpx2.AsyncClient) -> None:
    """201 with what was inserted."""
    async with _watching(desk) as seen:
        response = await client.post("/api/messenger/add", json=HIRED)
        notice = await asyncio.wait_for(seen.get(), LIMIT_S)

    assert response.status_code == 201
    assert response.json()["id"] == SEEDED + 1
    assert response.json()["salary"] == 1200.5
    assert notice == {"messenger": response.json(), "came_by": "add"}


async def test_add_uses_the_id_that_it_is_given(client: httpx2.AsyncClient) -> None:
    """And only once."""
    first = await client.post("/api/messenger/add", json={**HIRED, "id": 500})
    second = await client.post("/api/messenger/add", json={**HIRED, "id": 500})

    assert (first.status_code, first.json()["id"]) == (201, 500)
    assert (second.status_code, second.json()["detail"]) == (409, "messenger 500 exists already")


@pytest.mark.parametrize("path", ["/api/messenger/send", "/api/messenger/kafka/send"])
async def test_send_publishes_and_the_group_inserts(
    desk: Desk, client: httpx2.AsyncClient, path: str
) -> None:
    """202 with the message's id; the messenger is there, and announced, soon."""
    async with _watching(desk) as seen:
        response = await client.post(path, json=HIRED)
        notice = await asyncio.wait_for(seen.get(), LIMIT_S)

    assert response.status_code == 202
    assert response.json()["topic"] == "newstopic"
    assert notice["came_by"] == "send"
    [newest] = (await client.get("/api/messenger/list?limit=1")).json()
    assert notice["messenger"] == newest


@pytest.mark.parametrize(
    ("fields", "status"), [({"id": 5}, 409), ({"vendor_id": 99}, 422), ({"extra": 1}, 422)]
)
async def test_send_refuses_what_could_never_be_inserted(
    client: httpx2.AsyncClient, fields: dict[str, int], status: int
) -> None:
    """Before it is published."""
    response = await client.post("/api/messenger/send", json={**HIRED, **fields})

    assert response.status_code == status


async def test_one_message_thrice_is_one_messenger_and_one_arrival(desk: Desk) -> None:
    """Published three times with one id, then another one."""
    async with _watching(desk) as seen:
        for _ in range(3):
            await desk.messaging.publish("newstopic", HIRED, message_id="the-same")
        await desk.messaging.publish("newstopic", HIRED, message_id="another")
        await _handled_all(desk)
        await desk.flow.announce(Messenger(id=0))  # behind every notice there may be
        arrived = [await asyncio.wait_for(seen.get(), LIMIT_S)]
        while arrived[-1]["messenger"]["id"] != 0:
            arrived.append(await asyncio.wait_for(seen.get(), LIMIT_S))

    assert await desk.messengers.count() == SEEDED + 2
    assert {one["messenger"]["id"] for one in arrived[:-1]} == {SEEDED + 1, SEEDED + 2}
    assert len(arrived) == 3


async def test_a_message_that_can_never_be_registered_is_set_aside(desk: Desk) -> None:
    """Among the dead letters, with the reason; and one that is no messenger at all."""
    await desk.messaging.publish("newstopic", {**HIRED, "id": 5}, message_id="taken")
    await desk.messaging.publish("newstopic", {"salary": "much"}, message_id="nonsense")

    async def are_dead() -> bool:
        return len(await _dead(desk)) == 2

    await until(are_dead)
    found = await _dead(desk)
    assert found["taken"] == "messenger 5 exists already"
    assert "nonsense" in found
    assert await desk.messengers.count() == SEEDED


async def test_the_list_goes_from_the_newest_to_the_oldest(client: httpx2.AsyncClient) -> None:
    """Page by page, each messenger once; the total is told."""
    ids: list[int] = []
    before = ""
    while page := (await client.get(f"/api/messenger/list?limit=25{before}")).json():
        ids += [one["id"] for one in page]
        before = f"&before={ids[-1]}"

    response = await client.get("/api/messenger/list?limit=1")

    assert ids == list(range(SEEDED, 0, -1))
    assert response.headers["x-total-count"] == str(SEEDED)


async def test_health_says_what_is_in_use_and_how_it_is(client: httpx2.AsyncClient) -> None:
    """At the root and under the prefix."""
    for path in ("/health/ready", "/api/health/ready"):
        response = await client.get(path)
        body = response.json()

        assert (response.status_code, body["ready"], body["database"]) == (200, True, "up")
        assert body["messaging"]["url"].startswith("memory://")
        assert body["messaging"]["subscribers"] == {"register": "running"}
        assert body["feed"] == "live"
    assert (await client.get("/health/live")).json() == {"live": True}


async def test_a_backend_that_is_away_is_told_as_such(
    seeded: Storage,
    database_url: str,
    client_of: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sends answer 503 with Retry-After, adding and listing go on; later all is well."""
    name = uuid4().hex
    space = space_named(name)
    space.outage = "for the test"
    monkeypatch.setenv("ANYMQ_CONNECT", "background")
    desk = build_desk(load_settings(database=database_url, messaging=f"memory://{name}"))

    async with desk.running(), client_of(desk) as client:

        async def is_ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        sent = await client.post("/api/messenger/send", json=HIRED)
        added = await client.post("/api/messenger/add", json=HIRED)
        health = await client.get("/health/ready")
        space.outage = None
        await until(is_ready)
        later = await client.post("/api/messenger/send", json=HIRED)

    assert (sent.status_code, sent.headers["retry-after"]) == (503, "5")
    assert sent.json()["code"] == "unavailable"
    assert added.status_code == 201
    assert (health.status_code, health.json()["ready"]) == (503, False)
    assert later.status_code == 202


async def _dead(desk: Desk) -> dict[str, str]:
    letters = await desk.messaging.dead_letters.entries("newstopic", "registry")
    return {letter.message.id: letter.message.meta["anymq-death-reason"] for letter in letters}


async def _handled_all(desk: Desk) -> None:
    """Wait until the group has settled everything that was sent."""
    management = desk.messaging._lifecycle.engine.broker.management()

    async def is_idle() -> bool:
        groups = await management.groups("newstopic")
        return not any(group.ready or group.in_flight for group in groups)

    await until(is_idle)
