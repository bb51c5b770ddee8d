"""``anymq backends``: what is installed, and what it can do."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from anymq.cli.state import state_of

__all__ = ["backends"]


def backends(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the installed backends and their capabilities. Needs no server."""
    from anymq.cli.listing import list_backends
    from anymq.cli.output import print_json

    listed = list_backends(state_of(context).registry().inspect())
    if as_json:
        print_json({"backends": listed})
    else:
        _show(listed)


def _show(listed: list[dict[str, Any]]) -> None:
    from anymq.cli.output import console, table

    out = console()
    if not listed:
        out.print("No backend is installed. The embedded one: pip install anymq-sqlite")
        return
    rows = [
        (
            item["name"],
            ", ".join(item["schemes"]),
            item["package"],
            item["version"],
            item["status"],
            ", ".join(role.replace("_", " ") for role in item.get("roles", ())),
        )
        for item in listed
    ]
    out.print(table(("Backend", "Schemes", "Package", "Version", "Status", "Roles"), rows))
    for item in listed:
        if item["status"] == "broken":
            out.print(f"\n{item['name']}: {item['problem']}", style="red")
    _show_capabilities([item for item in listed if "capabilities" in item])


def _show_capabilities(usable: list[dict[str, Any]]) -> None:
    from anymq.capabilities import CAPABILITY_NAMES
    from anymq.cli.output import console, table

    if not usable:
        return
    rows: list[list[object]] = [
        [name, *(item["capabilities"][name] for item in usable), meaning]
        for name, meaning in CAPABILITY_NAMES.items()
    ]
    rows.append(["durability", *(item["durability"].replace("_", " ") for item in usable), ""])
    columns = ("Capability", *(item["name"] for item in usable), "Meaning")
    out = console()
    out.print()
    out.print(table(columns, rows))
    out.print("\nN native  E emulated  U unsupported", style="dim")
