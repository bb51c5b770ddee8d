"""``anymq worker``: the application's tasks alone, in one process or several."""

from __future__ import annotations

from typing import Annotated

import typer

from anymq.cli.state import state_of
from anymq.errors import ConfigError

__all__ = ["worker"]


def worker(
    context: typer.Context,
    app: Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the App is.")],
    queues: Annotated[
        str, typer.Option("-Q", "--queues", metavar="NAMES", help="Comma list; else all it has.")
    ] = "",
    concurrency: Annotated[
        int | None, typer.Option("-c", "--concurrency", min=1, max=10_000, help="Jobs at once.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=256, help="So many processes.")] = 1,
    grace_s: Annotated[
        float | None, typer.Option("--grace", min=0, help="Seconds for running jobs at the end.")
    ] = None,
) -> None:
    """Serve jobs until stopped: no new ones then, running ones may end (twice: at once)."""
    state = state_of(context)
    if processes > 1:
        from anymq.cli.supervisor import Supervisor

        command = [part for spec in state.plugins for part in ("--plugin", spec)]
        command += ["worker", app]
        if queues:
            command += ["-Q", queues]
        if concurrency is not None:
            command += ["-c", str(concurrency)]
        if grace_s is not None:
            command += ["--grace", str(grace_s)]
        raise typer.Exit(Supervisor(command, processes=processes).run())
    from anymq.abc.task_runner import WorkerOptions
    from anymq.cli.applications import load_app, use_settings
    from anymq.runtime.runner import run_app
    from anymq.tasks.queues import check_queue

    loaded = load_app(state, app)
    if not loaded.declarations.tasks:
        raise ConfigError(f"{app} has no task to serve")
    if grace_s is not None:
        use_settings(loaded, grace_s=grace_s)
    settings = loaded._parts.resolve_settings()
    names = [name.strip() for name in queues.split(",") if name.strip()]
    wanted = WorkerOptions(
        tuple(check_queue(name) for name in names),
        concurrency or settings.tasks.concurrency,
        settings.grace_s,
    )
    raise typer.Exit(run_app(loaded, consume=False, work=wanted))
