"""A database of its own for every test, and a desk that runs on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from newsstand.desk import Desk, build_desk
from newsstand.seed.seeding import seed_database
from newsstand.settings import load_settings
from newsstand.storage.schema import upgrade_schema
from newsstand.storage.storage import Storage
from newsstand.web.application import create_application


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of the developer's is read."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """A database at the newest version, without rows."""
    url = f"sqlite:///{tmp_path}/newsstand.db"
    upgrade_schema(url)
    return url


@pytest.fixture
async def storage(database_url: str) -> AsyncIterator[Storage]:
    """That database, open."""
    async with Storage(database_url) as opened:
        yield opened


@pytest.fixture
async def seeded(storage: Storage) -> Storage:
    """That database with invented data."""
    await seed_database(storage)
    return storage


@pytest.fixture
async def desk(seeded: Storage, database_url: str) -> AsyncIterator[Desk]:
    """A running desk on seeded data and a messaging space of its own."""
    made = build_desk(load_settings(database=database_url, messaging=f"memory://{uuid4().hex}"))
    async with made.running():
        yield made


Client = Callable[[Desk], AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
def client_of() -> Client:
    """A client of a desk's application, in process."""

    @asynccontextmanager
    async def connected(desk: Desk) -> AsyncIterator[httpx2.AsyncClient]:
        # An unexpected error is answered and raised again for the server's log: answered is enough.
        transport = httpx2.ASGITransport(create_application(desk), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client

    return connected


@pytest.fixture
async def client(desk: Desk, client_of: Client) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the running desk."""
    async with client_of(desk) as connected:
        yield connected
