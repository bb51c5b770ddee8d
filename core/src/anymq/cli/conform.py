"""``anymq conform``: run the conformance kit against a backend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anymq.cli.state import state_of

__all__ = ["conform"]


def conform(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(help="The backend under test.")] = None,
    store: Annotated[
        str | None, typer.Option(help="Job store, where the backend has none.")
    ] = None,
    plugin: Annotated[
        str | None, typer.Option(metavar="FILE.py:OBJECT", help="A plugin that is not installed.")
    ] = None,
    harness: Annotated[
        str | None, typer.Option(metavar="MODULE:CLASS", help="The plugin's harness.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="IDS", help="Comma list of checks or groups of checks.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the report here.")] = None,
) -> None:
    """Prove a backend with the conformance kit (needs anymq[testing])."""
    from anymq.testing.conform import run

    plugin = plugin or next(iter(state_of(context).plugins), None)
    raise typer.Exit(run(url, store, plugin, harness, only, json_path))
