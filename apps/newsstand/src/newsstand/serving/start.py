"""From settings to a newsstand that has served: bind, upgrade, seed, serve, close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from socket import socket

from newsstand.desk import Desk, build_desk
from newsstand.seed.seeding import seed_database
from newsstand.serving.listening import listen, url_of
from newsstand.serving.server import STOPPED, run_server
from newsstand.settings import NewsstandSettings
from newsstand.storage.schema import upgrade_schema
from newsstand.storage.storage import Storage
from newsstand.web.application import create_application

__all__ = ["STOPPED", "serve_until_stopped"]


def serve_until_stopped(
    settings: NewsstandSettings, *, is_seeding: bool, tell: Callable[[str], None]
) -> int:
    """Serve until a signal; the exit status. ``tell`` gets the line that says where it listens.

    Raises ConfigError (a taken port among them), SchemaError, StorageUnavailable.
    """
    listening = listen(settings.host, settings.port)
    try:
        desk = build_desk(settings)
        upgrade_schema(settings.database_url)
        return asyncio.run(_serve(desk, listening, is_seeding=is_seeding, tell=tell))
    finally:
        listening.close()


async def _serve(
    desk: Desk, listening: socket, *, is_seeding: bool, tell: Callable[[str], None]
) -> int:
    if is_seeding:
        async with Storage(desk.settings.database_url) as storage:
            await seed_database(storage)

    def started() -> None:
        tell(f"{url_of(listening)}  (messaging: {_used(desk)})")

    return await run_server(create_application(desk, on_started=started), listening)


def _used(desk: Desk) -> str:
    """The backends in use: one, or one per role."""
    if len(set(desk.roles.values())) == 1:
        return desk.roles["broker"]
    return ", ".join(f"{role} {url}" for role, url in desk.roles.items())
