"""``newsstand config check``."""

from __future__ import annotations

import typer

from newsstand.cli.options import Config, Database, Messaging

__all__ = ["check"]

SECRET_ROLES = frozenset({"broker", "tasks", "tasks_store", "stream"})


def check(database: Database = None, messaging: Messaging = None, config: Config = None) -> None:
    """Read the configuration and show what came of it, without secrets. Connects to nothing."""
    from sqlalchemy import make_url  # see serve: no command waits for another's imports

    from newsstand.desk import build_desk
    from newsstand.settings import load_settings

    settings = load_settings(config, database=database, messaging=messaging)
    desk = build_desk(settings)
    shown = settings.model_dump(exclude={"database", "messaging", *SECRET_ROLES})
    shown["database"] = make_url(settings.database_url).render_as_string(hide_password=True)
    shown |= desk.roles
    width = max(map(len, shown))
    for key in sorted(shown):
        typer.echo(f"{key:{width}}  {shown[key]}")
