"""Killed and started again: nothing accepted is lost or doubled, watchers come back."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.e2e.configurations import DURABLE, Configuration
from tests.e2e.site import Site, serving
from tests.e2e.watcher import WAIT_S, Watcher, watching

BEFORE_THE_KILL = 40
CLIENTS = 4
LATER = 5
POLL_S = 0.05


def _hired(name: str) -> dict[str, object]:
    return {"firstname": "Ada", "lastname": name, "salary": "1200.50", "vendor_id": 2}


async def _send_until_it_dies(site: Site, accepted: list[str], enough: asyncio.Event) -> None:
    """What was accepted is noted; a request that got no answer may have been or not."""
    while True:
        name = uuid4().hex
        try:
            response = await site.client.post("/api/messenger/send", json=_hired(name))
        except httpx2.TransportError:
            return
        assert response.status_code == 202
        accepted.append(name)
        if len(accepted) >= BEFORE_THE_KILL:
            enough.set()


async def _kill_while_it_is_busy(site: Site) -> list[str]:
    accepted: list[str] = []
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(_send_until_it_dies(site, accepted, enough))
        await asyncio.wait_for(enough.wait(), WAIT_S)
        await site.stop(signal.SIGKILL)
    return accepted


async def _names_of_all(site: Site) -> Counter[str]:
    listed = (await site.client.get("/api/messenger/list?limit=1000")).json()
    return Counter(one["lastname"] for one in listed)


@pytest.mark.parametrize("configuration", DURABLE)
async def test_a_killed_newsstand_comes_back_with_everything(
    tmp_path: Path, configuration: Configuration
) -> None:
    """Both watchers reconnect and go on where they were: each sees every messenger that was ever
    accepted, once; and each of those is registered exactly once.
    """
    arguments, namespace = configuration.arguments(tmp_path), f"e2e-{uuid4().hex[:12]}"
    async with (
        serving(tmp_path, *arguments, namespace=namespace) as site,
        watching(site.client, 2, is_reconnecting=True) as watchers,
    ):
        accepted = await _kill_while_it_is_busy(site)

        again = serving(tmp_path, *arguments, port=site.port, namespace=namespace)
        async with again as restarted:
            for watcher in watchers:
                await watcher.connected()
            later = [uuid4().hex for _ in range(LATER)]
            for name in later:
                sent = await restarted.client.post("/api/messenger/send", json=_hired(name))
                assert sent.status_code == 202
            seen = [await _names_until(watcher, {*accepted, *later}) for watcher in watchers]
            found = await _names_once_there(restarted, set(accepted))

    assert {name: found[name] for name in [*accepted, *later]} == dict.fromkeys(
        [*accepted, *later], 1
    )
    for names in seen:
        assert {name: names[name] for name in [*accepted, *later]} == dict.fromkeys(
            [*accepted, *later], 1
        )


async def _names_once_there(site: Site, wanted: set[str]) -> Counter[str]:
    """Who is registered, once all of these are."""
    async with asyncio.timeout(WAIT_S):
        while not wanted <= (found := await _names_of_all(site)).keys():  # noqa: ASYNC110 - another process
            await asyncio.sleep(POLL_S)
    return found


async def _names_until(watcher: Watcher, wanted: set[str]) -> Counter[str]:
    """What it shows, until it has shown all of these."""
    names: Counter[str] = Counter()
    while not wanted <= names.keys():
        names[(await watcher.next())["messenger"]["lastname"]] += 1
    return names
