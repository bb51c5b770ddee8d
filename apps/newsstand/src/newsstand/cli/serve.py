"""``newsstand serve``."""

from __future__ import annotations

import gc
import logging
from typing import Annotated

import typer

from newsstand.cli.options import Config, Database, Host, Messaging, Port, Prefix

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
    # The web framework takes a second to import, which no other command should wait for.
    from newsstand.serving.start import STOPPED, serve_until_stopped
    from newsstand.settings import load_settings

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    settings = load_settings(
        config, messaging=messaging, port=port, database=database, host=host, prefix=prefix
    )
    status = serve_until_stopped(settings, is_seeding=seed, tell=_tell)
    typer.echo("newsstand: stopped" if status == STOPPED else "newsstand: stopped hard", err=True)
    # Everything is closed. Looking through all that was imported for cycles would take longer than
    # the whole shutdown, and the process ends anyway.
    gc.freeze()
    raise typer.Exit(status)


def _tell(where: str) -> None:
    typer.echo(f"newsstand: {where}")
    typer.echo("newsstand: Ctrl-C stops it")
