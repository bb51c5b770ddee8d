"""``anymq tasks``: look at a job, and revoke one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anymq.cli.options import AsJson, Url
from anymq.cli.state import State, state_of
from anymq.errors import InvalidState

if TYPE_CHECKING:
    from anymq.abc import JobRecord
    from anymq.tasks.client import TaskClient

__all__ = ["revoke", "show", "task_commands"]

Id = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]


def task_commands() -> typer.Typer:
    """The group of commands."""
    commands = typer.Typer(help="Look at a job, and revoke one.", rich_markup_mode=None)
    commands.command("show")(show)
    commands.command("revoke")(revoke)
    return commands


def show(context: typer.Context, job_id: Id, url: Url = None, as_json: AsJson = False) -> None:
    """Show what is known of a job; results and arguments are left out."""
    from anymq.cli.output import print_json

    async def look(client: TaskClient) -> JobRecord:
        record = await client.record(job_id)
        if record is None:
            raise InvalidState(f"job {job_id!r} is unknown: never submitted, or forgotten by now")
        return record

    shown = _view(asyncio.run(_with_client(state_of(context), url, look)))
    if as_json:
        print_json(shown)
        return
    for name, value in shown.items():
        if value is not None:
            typer.echo(f"{name:<13} {value}")


def revoke(context: typer.Context, job_id: Id, url: Url = None) -> None:
    """Prevent a job, or stop it where it runs."""

    async def work(client: TaskClient) -> bool:
        return await client.revoke(job_id)

    if asyncio.run(_with_client(state_of(context), url, work)):
        typer.echo(f"job {job_id} will not run")
    else:
        typer.echo(f"job {job_id} had begun: it was told to stop, unless it has ended")


async def _with_client(
    state: State, url: str | None, work: Callable[[TaskClient], Awaitable[Any]]
) -> Any:
    from anymq.cli.applications import bare_app

    async with bare_app(state, url) as app:
        return await work(await app._lifecycle.tasks.client())


def _view(record: JobRecord) -> dict[str, Any]:
    from anymq.tasks.facts import facts_of

    facts = facts_of(record)
    error = None if record.error is None else json.loads(record.error)
    return {
        "id": record.id,
        "state": record.state,
        "task": facts.task or None,
        "queue": facts.queue or None,
        "attempt": facts.attempt or None,
        "submitted_at": _moment(facts.submitted_at),
        "due_at": _moment(facts.due_at),
        "started_at": _moment(facts.started_at),
        "ended_at": _moment(facts.ended_at),
        "error": None if error is None else f"{error.get('type')}: {error.get('message')}",
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
