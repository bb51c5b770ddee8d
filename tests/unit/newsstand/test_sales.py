"""Sales: recorded, held against their quotas, and told live when they fall short."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert

from newsstand.desk import Desk, build_desk
from newsstand.live.events import FeedEvent
from newsstand.live.follower import Follower
from newsstand.sales.models import NewSale, Sale
from newsstand.sales.quota import judge
from newsstand.settings import load_settings
from newsstand.storage.storage import Storage
from newsstand.tables import sales
from tests.unit.newsstand.waiting import LIMIT_S

GOOD = {
    "publication_id": 1,
    "copies_issued": 100,
    "copies_sold": 90,
    "revenue": "400.50",
    "profit": "99.50",
}
SHORT = {**GOOD, "profit": "99.49"}


async def _shown(events: AsyncIterator[FeedEvent], count: int) -> list[dict[str, Any]]:
    """The next so many records; hello and the like are passed over."""
    got: list[dict[str, Any]] = []
    async with asyncio.timeout(LIMIT_S):
        while len(got) < count:
            event = await anext(events)
            if event.name in ("sale", "alert"):
                got.append(json.loads(event.data))
    return got


async def _begun(follower: Follower[Any]) -> AsyncIterator[FeedEvent]:
    events = follower.watch()
    assert (await asyncio.wait_for(anext(events), LIMIT_S)).name == "hello"
    return events


@pytest.mark.parametrize(
    ("issued", "revenue", "profit", "missing"),
    [
        (100, "400.50", "99.50", "0"),
        (100, "400.50", "99.49", "0.01"),
        (3, "0.10", "0.20", "14.70"),  # in doubles it would be 14.700000000000001
        (0, "0", "-0.01", "0.01"),
        (10, "100", "0", "-50"),
    ],
)
def test_the_quota_is_exact(issued: int, revenue: str, profit: str, missing: str) -> None:
    """5.00 for each copy that was issued, in decimals."""
    sale = Sale(id=1, copies_issued=issued, revenue=Decimal(revenue), profit=Decimal(profit))

    judged = judge(sale)

    assert judged.missing == Decimal(missing)
    assert judged.is_within_quota == (Decimal(missing) <= 0)


async def test_a_sale_is_inserted_and_told(desk: Desk, client: httpx2.AsyncClient) -> None:
    """To those who watch all sales; only what falls short is an alert."""
    sold, alerts = await _begun(desk.sold), await _begun(desk.alerts)

    answers = [await client.post("/api/sales/add", json=one) for one in (GOOD, SHORT)]

    assert [one.status_code for one in answers] == [201, 201]
    first, second = await _shown(sold, 2)
    assert (first["sale"], first["is_within_quota"]) == (answers[0].json(), True)
    assert (second["sale"], second["missing"]) == (answers[1].json(), 0.01)
    assert await _shown(alerts, 1) == [second]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"copies_sold": 101}, 422),
        ({"revenue": "-1"}, 422),
        ({"profit": "1.001"}, 422),
        ({"publication_id": 999}, 422),
        ({"color": "red"}, 422),
        ({"profit": "-5"}, 201),
    ],
)
async def test_what_can_be_recorded(
    client: httpx2.AsyncClient, change: dict[str, Any], status: int
) -> None:
    """Anything else is refused, and says why."""
    response = await client.post("/api/sales/add", json={**GOOD, **change})

    assert response.status_code == status, response.text


async def test_an_id_is_used_once(client: httpx2.AsyncClient) -> None:
    """A clash is 409."""
    answers = [await client.post("/api/sales/add", json={**GOOD, "id": 70}) for _ in range(2)]

    assert [one.status_code for one in answers] == [201, 409]


async def test_the_quota_of_all_sales(
    desk: Desk, client: httpx2.AsyncClient, storage: Storage
) -> None:
    """More than a page of them; a bad record is an item of the answer."""
    del desk
    rows = [
        {"id": number, "publication_id": 1, "copies_issued": 1, "revenue": 4.0, "profit": 1.0}
        for number in range(1, 1205)
    ]
    async with storage.write() as writing:
        await writing.run_many(insert(sales), rows)
        await writing.run(insert(sales).values(id=5000, copies_issued=3))

    items = (await client.get("/api/sales/list/quota")).json()

    assert [item["sale"]["id"] for item in items] == [*range(1, 1205), 5000]
    assert all(item["is_within_quota"] for item in items[:-1])
    assert items[-1]["error"] == "revenue, profit not recorded"
    assert items[-1]["is_within_quota"] is None


async def test_alerts_go_on_after_a_restart_and_can_be_rebuilt(
    seeded: Storage, database_url: str, tmp_path: Path
) -> None:
    """Each sale is held against its quota once, whichever process does it."""
    del seeded
    settings = load_settings(database=database_url, messaging=f"sqlite:///{tmp_path}/messaging.db")
    start = ""
    for number in (1, 2, 3):
        desk = build_desk(settings)
        async with desk.running():
            start = start or await desk.sales.alerts.end()
            for sale in (GOOD, SHORT):
                await desk.sales.record(NewSale(**{**sale, "copies_issued": 100 + number}))
            told = await _shown(desk.alerts.watch(start), 2 * number)

    assert [one["sale"]["id"] for one in told] == [1, 2, 3, 4, 5, 6]
    desk = build_desk(settings)
    async with desk.running():
        again = [one async for one in desk.sales.replay(datetime(2020, 1, 1, tzinfo=UTC))]
        kept = await _shown(desk.alerts.watch(start), 6)
    assert [json.loads(one.model_dump_json()) for one in again] == told == kept
