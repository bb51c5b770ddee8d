"""``anymq dlq``: the dead letters of a group."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from anymq.cli.options import AsJson, Group, Topic, Url, Yes
from anymq.cli.state import State, state_of
from anymq.errors import AnyMQError, ConfigError

if TYPE_CHECKING:
    from anymq.abc import DeadLetterEntry
    from anymq.portable.dead_letters import ReplayReport

__all__ = ["dlq_commands"]

Ids = Annotated[list[str] | None, typer.Argument(help="Ids of dead letters, as 'dlq ls' has them.")]
All = Annotated[bool, typer.Option("--all", help="All of the group's dead letters.")]


def dlq_commands() -> typer.Typer:
    """The group of commands."""
    commands = typer.Typer(
        name="dlq", help="List, show, replay and purge dead letters.", rich_markup_mode=None
    )
    commands.command("ls")(_ls)
    commands.command("show")(_show)
    commands.command("replay")(_replay)
    commands.command("purge")(_purge)
    return commands


def _ls(
    context: typer.Context,
    topic: Topic,
    group: Group,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    after: Annotated[str | None, typer.Option(help="Only those after this id.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, oldest first. Removes nothing."""
    from anymq.cli.message_view import message_as_data
    from anymq.cli.output import console, print_json, table

    async def work(state: State) -> Sequence[DeadLetterEntry]:
        from anymq.cli.applications import bare_app

        async with bare_app(state, url) as app:
            return await app.dead_letters.entries(topic, group, limit=limit, after=after)

    entries = asyncio.run(work(state_of(context)))
    if as_json:
        print_json([{"entry": e.id, **message_as_data(e.message)} for e in entries])
    elif entries:
        columns = ("Entry", "Message", "Died", "Attempts", "Size", "Reason")
        console().print(table(columns, [_row(entry) for entry in entries]))
    else:
        typer.echo(f"Group {group!r} of {topic!r} has no dead letters.")


def _show(
    context: typer.Context,
    topic: Topic,
    group: Group,
    entry: Annotated[str, typer.Argument(help="Id of the dead letter, as 'dlq ls' has it.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter whole: its facts, headers and body."""
    from anymq.cli.message_view import message_as_data
    from anymq.cli.output import print_json

    async def work(state: State) -> DeadLetterEntry | None:
        from anymq.cli.applications import bare_app

        async with bare_app(state, url) as app:
            return await app.dead_letters.show(topic, group, entry)

    found = asyncio.run(work(state_of(context)))
    if found is None:
        raise AnyMQError(f"group {group!r} of {topic!r} has no dead letter {entry!r}")
    data = {"entry": found.id, **message_as_data(found.message)}
    if as_json:
        print_json(data)
    else:
        _print_fields(data)


def _replay(
    context: typer.Context,
    topic: Topic,
    group: Group,
    ids: Ids = None,
    every: All = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back to their group; each is removed once its replay is confirmed."""
    from anymq.cli.output import print_json

    chosen = _chosen(ids, every)

    async def work(state: State) -> ReplayReport:
        from anymq.cli.applications import bare_app

        async with bare_app(state, url) as app:
            return await app.dead_letters.replay(topic, group, chosen, limit=limit)

    report = asyncio.run(work(state_of(context)))
    if as_json:
        print_json(asdict(report))
    else:
        typer.echo(f"{report.replayed} replayed, {len(report.failed)} not.")
    if report.failed:
        raise AnyMQError(f"not replayed, still dead letters: {', '.join(report.failed)}")


def _purge(
    context: typer.Context,
    topic: Topic,
    group: Group,
    ids: Ids = None,
    every: All = False,
    yes: Yes = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Remove dead letters for good."""
    from anymq.cli.confirmation import ask
    from anymq.cli.output import print_json

    chosen = _chosen(ids, every)
    what = "all" if chosen is None else str(len(chosen))
    ask(f"Remove {what} dead letter(s) of group {group!r} of {topic!r} for good?", yes=yes)

    async def work(state: State) -> int:
        from anymq.cli.applications import bare_app

        async with bare_app(state, url) as app:
            return await app.dead_letters.purge(topic, group, chosen)

    purged = asyncio.run(work(state_of(context)))
    if as_json:
        print_json({"purged": purged})
    else:
        typer.echo(f"{purged} removed.")


def _chosen(ids: list[str] | None, every: bool) -> list[str] | None:
    if bool(ids) == every:
        raise ConfigError("name dead letters by their ids, or all of them with --all")
    return ids or None


def _row(entry: DeadLetterEntry) -> list[object]:
    from anymq.cli.message_view import moment

    meta = entry.message.meta
    died = meta.get("anymq-death-at")
    return [
        entry.id,
        entry.message.id,
        moment(float(died)) if died else "-",
        meta.get("anymq-death-attempts", entry.message.attempt),
        f"{len(entry.message.body)} B",
        meta.get("anymq-death-reason", "-"),
    ]


def _print_fields(data: dict[str, object]) -> None:
    import json

    for name, value in data.items():
        if value in (None, "", {}):
            continue
        shown = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        typer.echo(f"{typer.style(name + ':', bold=True)} {shown}")
