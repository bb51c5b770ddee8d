"""``anymq topology``: make, check, show and tidy what an application declares."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anymq.cli.options import AsJson, Yes
from anymq.cli.state import State, state_of
from anymq.topology import TopologyMode

if TYPE_CHECKING:
    from anymq.abc import StreamSpec
    from anymq.app import App
    from anymq.topology import GroupSpec

__all__ = ["topology_commands"]

AppSpec = Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the App is.")]


def topology_commands() -> typer.Typer:
    """The group of commands."""
    commands = typer.Typer(
        name="topology", help="Topics and groups of an application.", rich_markup_mode=None
    )
    commands.command("apply")(_apply)
    commands.command("verify")(_verify)
    commands.command("show")(_show)
    commands.command("prune")(_prune)
    return commands


def _apply(context: typer.Context, app: AppSpec, as_json: AsJson = False) -> None:
    """Make what is missing. A group misses nothing from then on."""
    declared = asyncio.run(_declare(state_of(context), app, TopologyMode.MANAGE))
    _report(declared, "applied", as_json=as_json)


def _verify(context: typer.Context, app: AppSpec, as_json: AsJson = False) -> None:
    """Check that everything is there as declared; changes nothing."""
    declared = asyncio.run(_declare(state_of(context), app, TopologyMode.VERIFY))
    _report(declared, "verified", as_json=as_json)


def _show(context: typer.Context, app: AppSpec, as_json: AsJson = False) -> None:
    """Show what the application declares. Needs no server."""
    from anymq.cli.applications import declared_topology, load_app
    from anymq.cli.output import console, print_json, table

    loaded = load_app(state_of(context), app)
    topology = declared_topology(loaded)
    if as_json:
        print_json(_as_data(loaded))
        return
    groups = {
        spec.name: [g for g in topology.groups if g.topic == spec.name] for spec in topology.topics
    }
    rows = [
        (
            spec.name,
            spec.partitions,
            spec.durability.name.lower() if spec.durability is not None else "-",
            f"{spec.retention_s:g} s" if spec.retention_s is not None else "-",
            ", ".join(_group_text(group) for group in groups[spec.name]),
        )
        for spec in topology.topics
    ]
    console().print(table(("Topic", "Partitions", "Durability", "Retention", "Groups"), rows))
    if loaded.declarations.streams:
        streams = loaded.declarations.streams.values()
        console().print(
            table(
                ("Stream", "Partitions", "Kept"),
                [(spec.name, spec.partitions, _kept_text(spec)) for spec in streams],
            )
        )


def _prune(context: typer.Context, app: AppSpec, yes: Yes = False, as_json: AsJson = False) -> None:
    """Remove groups that the application does not declare, with what waits for them."""
    from anymq.cli.output import print_json

    removed = asyncio.run(_remove_undeclared(state_of(context), app, yes=yes))
    if as_json:
        print_json({"removed": [{"topic": topic, "group": group} for topic, group in removed]})
    else:
        typer.echo(f"{len(removed)} group(s) removed.")


async def _declare(state: State, spec: str, mode: TopologyMode) -> App:
    from anymq.cli.applications import load_app, use_settings

    app = load_app(state, spec)
    use_settings(app, topology=mode, connect="wait")
    await app.start(consume=False)
    try:
        if mode is TopologyMode.MANAGE:
            await app._lifecycle.streams.declare_for_groups()
    finally:
        await app.close()
    return app


async def _remove_undeclared(state: State, spec: str, *, yes: bool) -> list[tuple[str, str]]:
    from anymq.cli.applications import broker_of, declared_topology, load_app, use_settings
    from anymq.cli.confirmation import ask

    app = load_app(state, spec)
    use_settings(app, topology=TopologyMode.ASSUME, connect="wait")
    topology = declared_topology(app)
    declared = {(group.topic, group.name) for group in topology.groups}
    await app.start(consume=False)
    try:
        management = broker_of(app).management()
        found = [
            (state.topic, state.name)
            for topic in topology.topics
            for state in await management.groups(topic.name)
        ]
        extra = [pair for pair in found if pair not in declared]
        if extra:
            names = ", ".join(f"{group!r} of {topic!r}" for topic, group in extra)
            ask(f"Remove the group(s) {names} with what waits for them?", yes=yes)
        for topic, group in extra:
            await management.remove_group(topic, group)
    finally:
        await app.close()
    return extra


def _report(app: App, done: str, *, as_json: bool) -> None:
    from anymq.cli.applications import declared_topology
    from anymq.cli.output import print_json

    if as_json:
        print_json({done: True} | _as_data(app))
        return
    topology, streams = declared_topology(app), len(app.declarations.streams)
    further = f", {streams} stream(s)" if streams else ""
    typer.echo(f"{len(topology.topics)} topic(s), {len(topology.groups)} group(s){further} {done}.")


def _group_text(group: GroupSpec) -> str:
    return group.name if group.order == "none" else f"{group.name} (in order)"


def _kept_text(spec: StreamSpec) -> str:
    limits = (
        f"{spec.max_records} records" if spec.max_records is not None else "",
        f"{spec.max_bytes} bytes" if spec.max_bytes is not None else "",
        f"{spec.max_age_s:g} s" if spec.max_age_s is not None else "",
    )
    return ", ".join(filter(None, limits)) or "-"


def _as_data(app: App) -> dict[str, Any]:
    from anymq.cli.applications import declared_topology

    topology = declared_topology(app)
    return {
        "topics": [asdict(spec) for spec in topology.topics],
        "groups": [asdict(spec) for spec in topology.groups],
        "streams": [asdict(spec) for spec in app.declarations.streams.values()],
    }
