"""``newsstand db upgrade | seed``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from newsstand.cli.options import Config, Database

if TYPE_CHECKING:
    from newsstand.seed.seeding import Seeded

__all__ = ["seed", "upgrade"]


def upgrade(database: Database = None, config: Config = None) -> None:
    """Bring the database to the newest version; no row is lost."""
    from newsstand.settings import load_settings  # see serve: no command waits for another's
    from newsstand.storage.schema import upgrade_schema

    before, after = upgrade_schema(load_settings(config, database=database).database_url)
    if before == after:
        typer.echo(f"the database is at version {after} already")
    else:
        typer.echo(f"the database is now at version {after} (before: {before or 'none'})")


def seed(database: Database = None, config: Config = None) -> None:
    """Fill an empty database with invented data, the same every time."""
    from newsstand.settings import load_settings
    from newsstand.storage.schema import check_schema

    url = load_settings(config, database=database).database_url
    check_schema(url)
    made = asyncio.run(_seed(url))
    if made is None:
        typer.echo("the database is not empty: nothing was changed")
        return
    typer.echo(
        f"made {made.vendors} vendors, {made.messengers} messengers and "
        f"{made.publications} publications"
    )


async def _seed(url: str) -> Seeded | None:
    from newsstand.seed.seeding import seed_database
    from newsstand.storage.storage import Storage

    async with Storage(url) as storage:
        return await seed_database(storage)
