"""``anymq groups``: how far behind every group is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from anymq.cli.options import AsJson, Url
from anymq.cli.state import State, state_of

if TYPE_CHECKING:
    from anymq.abc import GroupState

__all__ = ["groups"]

_COLUMNS = ("Topic", "Group", "Ready", "In flight", "Delayed", "Dead", "Members", "Idle")


def groups(
    context: typer.Context,
    topic: Annotated[str | None, typer.Argument(help="Only this topic.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List the groups with what waits for them, what is in work and what is dead."""
    import asyncio

    from anymq.cli.output import console, print_json, table

    found = asyncio.run(_groups(state_of(context), url, topic))
    if as_json:
        print_json({"groups": [asdict(group) for group in found]})
    elif found:
        console().print(table(_COLUMNS, [_row(group) for group in found]))
    else:
        typer.echo("There is no group.")


async def _groups(state: State, url: str | None, topic: str | None) -> Sequence[GroupState]:
    from anymq.cli.backend_access import open_broker

    async with open_broker(state, url) as broker:
        return await broker.management().groups(topic)


def _row(group: GroupState) -> list[object]:
    counts = (group.ready, group.in_flight, group.delayed, group.dead, group.members)
    idle = "-" if group.idle_s is None else f"{group.idle_s:.0f} s"
    shown = ["-" if count is None else count for count in counts]
    return [group.topic, group.name, *shown, idle]
