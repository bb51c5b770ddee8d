"""``anymq doctor``: is everything as it should be, and if not, why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anymq.cli.state import state_of

if TYPE_CHECKING:
    from rich.console import Console

    from anymq.cli.diagnosis import Diagnosis

__all__ = ["doctor"]


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Try no server.")] = False,
) -> None:
    """Check plugins, configuration and servers. Works with every backend broken."""
    from anymq.cli.diagnosis import diagnose
    from anymq.cli.output import console, print_json

    found = diagnose(state_of(context).registry(), try_servers=not offline)
    if as_json:
        print_json(_as_data(found))
    else:
        _show(found, console())
    if not found.is_healthy:
        raise typer.Exit(1)


def _as_data(found: Diagnosis) -> dict[str, Any]:
    from anymq.cli.listing import status_as_data

    return {
        "healthy": found.is_healthy,
        "versions": found.versions,
        "plugins": [status_as_data(s) | {"trace": s.trace} for s in found.plugins],
        "extensions": found.extensions,
        "broken_extensions": [
            {"name": broken.entry.name, "problem": broken.problem, "trace": broken.trace}
            for broken in found.broken_extensions
        ],
        "config_file": found.config_file,
        "settings": [asdict(setting) for setting in found.settings],
        "config_problem": found.config_problem,
        "roles": found.roles,
        "role_problems": found.role_problems,
        "servers": [asdict(check) for check in found.servers],
    }


def _show(found: Diagnosis, out: Console) -> None:
    out.print("  ".join(f"{name} {number}" for name, number in found.versions.items()))
    _show_plugins(found, out)
    _show_configuration(found, out)
    _show_servers(found, out)
    out.print()
    if found.is_healthy:
        out.print("Everything is well.", style="green")
    else:
        out.print("Something needs mending.", style="bold red")


def _show_plugins(found: Diagnosis, out: Console) -> None:
    from anymq.cli.output import table

    rows = [
        (s.entry.name, s.entry.distribution or s.entry.target, s.entry.version, s.status)
        for s in found.plugins
    ]
    _heading(out, "Plugins")
    if rows:
        out.print(table(("Scheme", "Package", "Version", "Status"), rows))
    else:
        out.print("none installed")
    for name in found.extensions:
        out.print(f"extension {name}: ok")
    problems = [(s.problem, s.trace) for s in found.plugins if s.status == "broken"]
    problems += [(broken.problem, broken.trace) for broken in found.broken_extensions]
    for problem, trace in dict(problems).items():
        out.print(f"\n{problem}", style="red")
        if trace:
            out.print(trace.rstrip(), style="dim")


def _show_configuration(found: Diagnosis, out: Console) -> None:
    from anymq.cli.output import table

    _heading(out, "Configuration")
    out.print(f"file: {found.config_file or 'none'}")
    if found.settings:
        rows = [(setting.key, setting.value, setting.origin) for setting in found.settings]
        out.print(table(("Key", "Value", "Given by"), rows))
    if found.config_problem:
        out.print(found.config_problem, style="red")
    for role, url in found.roles.items():
        out.print(f"{role}: {url}")
    for role, problem in found.role_problems.items():
        out.print(f"{role}: {problem}", style="red")


def _show_servers(found: Diagnosis, out: Console) -> None:
    from anymq.cli.output import table

    if not found.servers:
        return
    _heading(out, "Servers")
    rows = [
        (
            ", ".join(check.roles),
            check.url,
            "failed" if check.problem else "ok",
            check.problem or check.server,
        )
        for check in found.servers
    ]
    out.print(table(("Roles", "URL", "Status", "Answer"), rows))


def _heading(out: Console, text: str) -> None:
    out.print(f"\n{text}", style="bold underline")
