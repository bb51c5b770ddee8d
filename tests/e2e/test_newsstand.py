"""The newsstand over real HTTP, as a process of its own, on every configuration there is."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.configurations import BRIEF, CONFIGURATIONS, Configuration
from tests.e2e.site import serving
from tests.e2e.watcher import watching

HIRED = {"firstname": "Ada", "lastname": "Brook", "salary": "1200.50", "vendor_id": 2}
SEEDED = 60
SHUTDOWN_S = 1.0
GRACE_S = 3.0
FORGET_S = 5.0


async def test_an_empty_folder_becomes_a_working_site(tmp_path: Path) -> None:
    """Database made, filled and served; the page is there; a second start keeps everything."""
    async with serving(tmp_path) as site:
        listed = await site.client.get("/api/messenger/list")
        page = await site.client.get("/")
        added = await site.client.post("/api/messenger/add", json=HIRED)
        code, _, said = await site.stop(signal.SIGTERM)

    assert listed.headers["x-total-count"] == str(SEEDED)
    assert "<h1>" in page.text
    assert "server" not in page.headers
    assert added.status_code == 201
    assert (code, said) == (0, "newsstand: stopped\n")
    async with serving(tmp_path) as site:
        [newest] = (await site.client.get("/api/messenger/list?limit=1")).json()
    assert newest == added.json()


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
async def test_two_watchers_see_each_arrival_once(
    tmp_path: Path, configuration: Configuration
) -> None:
    """Sent and added ones, both watchers the same; in the end each is told goodbye."""
    arguments = configuration.arguments(tmp_path)
    async with serving(tmp_path, *arguments) as site, watching(site.client, 2) as watchers:
        for number in range(10):
            how = ("send", "kafka/send", "add")[number % 3]
            body = {**HIRED, "lastname": f"Nr {number}"}
            assert (await site.client.post(f"/api/messenger/{how}", json=body)).is_success
        seen = [[await watcher.next() for _ in range(10)] for watcher in watchers]
        listed = (await site.client.get("/api/messenger/list?limit=10")).json()
        await site.stop()

    ids = sorted(one["id"] for one in listed)
    assert ids == list(range(SEEDED + 1, SEEDED + 11))
    for arrivals in seen:
        assert sorted(one["messenger"]["id"] for one in arrivals) == ids
    assert [watcher.names for watcher in watchers] == [["hello", *["messenger"] * 10, "bye"]] * 2


@pytest.mark.parametrize("is_polite", [True, False])
async def test_a_watcher_that_goes_away_is_forgotten(tmp_path: Path, is_polite: bool) -> None:
    """Whether it says so (FIN) or not (RST)."""
    async with serving(tmp_path) as site:

        async def count() -> int:
            return int((await site.client.get("/health/ready")).json()["watchers"])

        address = urlsplit(site.url)
        with socket.create_connection((str(address.hostname), address.port or 0)) as watcher:
            watcher.sendall(b"GET /api/messenger/sse/add HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asyncio.to_thread(_read_until, watcher, b"hello")
            watching = await count()
            if not is_polite:
                watcher.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        async with asyncio.timeout(FORGET_S):
            while await count():  # noqa: ASYNC110 - the state of another process
                await asyncio.sleep(0.02)

    assert watching == 1


def _read_until(connection: socket.socket, what: bytes) -> None:
    connection.settimeout(FORGET_S)
    read = b""
    while what not in read:
        read += connection.recv(4096)


@pytest.mark.exclusive
@pytest.mark.parametrize("configuration", BRIEF)
@pytest.mark.parametrize(("number", "watchers"), [(signal.SIGINT, 2), (signal.SIGTERM, 20)])
async def test_watchers_do_not_hold_up_a_shutdown(
    tmp_path: Path, configuration: Configuration, number: signal.Signals, watchers: int
) -> None:
    """Gone within a second, exit code 0, no traceback, a goodbye for each; idle and silent
    connections do not matter either.
    """
    arguments = configuration.arguments(tmp_path)
    async with serving(tmp_path, *arguments) as site, watching(site.client, watchers) as seen:
        address = urlsplit(site.url)
        with socket.create_connection((str(address.hostname), address.port or 0)):
            await site.client.post("/api/messenger/send", json=HIRED)
            for watcher in seen:
                await watcher.next()

            code, took_s, said = await site.stop(number)

    assert (code, said) == (0, "newsstand: stopped\n")
    assert took_s < SHUTDOWN_S
    assert all(watcher.names == ["hello", "messenger", "bye"] for watcher in seen)


@pytest.mark.exclusive
async def test_a_second_signal_ends_what_does_not_end(tmp_path: Path) -> None:
    """A client that is in the middle of a request, and stays there."""
    async with serving(tmp_path) as site:
        address = urlsplit(site.url)
        with socket.create_connection((str(address.hostname), address.port or 0)) as stuck:
            stuck.sendall(
                b"POST /api/messenger/add HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            )
            await site.client.get("/health/live")  # served after the stuck one was taken up
            site.process.send_signal(signal.SIGINT)
            code, took_s, said = await site.stop(signal.SIGTERM)

    assert (code, said) == (1, "newsstand: stopped hard\n")
    assert took_s < GRACE_S


async def test_the_prefix_is_the_deployments_choice(tmp_path: Path) -> None:
    """Whoever follows the published tutorial sets /ch08."""
    async with serving(tmp_path, "--prefix", "/ch08") as site:
        sent = await site.client.post("/ch08/messenger/kafka/send", json={**HIRED, "id": 700})
        gone = await site.client.get("/api/messenger/list")
        page = await site.client.get("/")

    assert sent.status_code == 202
    assert gone.status_code == 404
    assert 'content="/ch08"' in page.text


async def test_a_database_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """A folder that does not exist: exit code 1, no traceback."""
    with pytest.raises(AssertionError, match="newsstand: the database cannot be opened"):
        async with serving(tmp_path, "--database", f"sqlite:///{tmp_path}/no/such/folder.db"):
            pass
