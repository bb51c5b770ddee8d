"""``newsstand config check``."""

from __future__ import annotations

import typer
from sqlalchemy import make_url

from newsstand.cli.options import Config, Database, Messaging
from newsstand.desk import build_desk
from newsstand.settings import load_settings

__all__ = ["check"]

SECRET_ROLES = frozenset({"broker", "tasks", "tasks_store", "stream"})


def check(database: Database = None, messaging: Messaging = None, config: Config = None) -> None:
    """Read the configuration and show what came of it, without secrets. Connects to nothing."""
    settings = load_settings(config, database=database, messaging=messaging)
    desk = build_desk(settings)
    shown = settings.model_dump(exclude={"database", "messaging", *SECRET_ROLES})
    shown["database"] = make_url(settings.database_url).render_as_string(hide_password=True)
    shown |= desk.roles
    width = max(map(len, shown))
    for key in sorted(shown):
        typer.echo(f"{key:{width}}  {shown[key]}")
