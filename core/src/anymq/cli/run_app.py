"""``anymq run``: the application's subscribers and workers, in one process or several."""

from __future__ import annotations

from typing import Annotated

import typer

from anymq.cli.state import state_of
from anymq.errors import ConfigError

__all__ = ["run"]


def run(
    context: typer.Context,
    app: Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the App is.")],
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when code changes.")] = False,
    processes: Annotated[int, typer.Option(min=1, max=256, help="So many processes.")] = 1,
) -> None:
    """Run an application until it is stopped (twice: at once)."""
    state = state_of(context)
    if reload and processes > 1:
        raise ConfigError("--reload watches one process: leave out --processes")
    if reload or processes > 1:
        from anymq.cli.supervisor import Supervisor

        plugins = [part for spec in state.plugins for part in ("--plugin", spec)]
        command = [*plugins, "run", app]
        raise typer.Exit(Supervisor(command, processes=processes, reload=reload).run())
    from anymq.cli.applications import load_app
    from anymq.runtime.runner import run_app

    raise typer.Exit(run_app(load_app(state, app)))
