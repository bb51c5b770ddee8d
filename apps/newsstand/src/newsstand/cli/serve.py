"""``newsstand serve``."""

from __future__ import annotations

import asyncio
import gc
import logging
from socket import socket
from typing import Annotated

import typer

from newsstand.cli.options import Config, Database, Host, Messaging, Port, Prefix
from newsstand.desk import Desk, build_desk
from newsstand.seed.seeding import seed_database
from newsstand.serving.listening import listen, url_of
from newsstand.serving.server import STOPPED, run_server
from newsstand.settings import load_settings
from newsstand.storage.schema import upgrade_schema
from newsstand.storage.storage import Storage
from newsstand.web.application import create_application

__all__ = ["serve"]


def serve(
    messaging: Messaging = None,
    port: Port = None,
    database: Database = None,
    host: Host = None,
    prefix: Prefix = None,
    config: Config = None,
    seed: Annotated[bool, typer.Option(help="Fill an empty database with invented data.")] = True,
) -> None:
    """Serve the newsstand until Ctrl-C; a new database is made and filled first."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    settings = load_settings(
        config, messaging=messaging, port=port, database=database, host=host, prefix=prefix
    )
    listening = listen(settings.host, settings.port)
    try:
        desk = build_desk(settings)
        upgrade_schema(settings.database_url)
        status = asyncio.run(_serve(desk, listening, is_seeding=seed))
    finally:
        listening.close()
    typer.echo("newsstand: stopped" if status == STOPPED else "newsstand: stopped hard", err=True)
    # Everything is closed. Looking through all that was imported for cycles would take longer than
    # the whole shutdown, and the process ends anyway.
    gc.freeze()
    raise typer.Exit(status)


async def _serve(desk: Desk, listening: socket, *, is_seeding: bool) -> int:
    if is_seeding:
        async with Storage(desk.settings.database_url) as storage:
            await seed_database(storage)

    def tell() -> None:
        typer.echo(f"newsstand: {url_of(listening)}  (messaging: {_used(desk)})")
        typer.echo("newsstand: Ctrl-C stops it")

    return await run_server(create_application(desk, on_started=tell), listening)


def _used(desk: Desk) -> str:
    """The backends in use: one, or one per role."""
    if len(set(desk.roles.values())) == 1:
        return desk.roles["broker"]
    return ", ".join(f"{role} {url}" for role, url in desk.roles.items())
