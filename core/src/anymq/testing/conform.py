"""``anymq conform``: the kit from the command line, with a progress bar, a table and a report."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from anymq.config import Settings, load_settings, resolve_role
from anymq.errors import ConfigError
from anymq.plugins.loader import load_object
from anymq.plugins.registry import Registry
from anymq.testing.check import Check
from anymq.testing.harness import Harness
from anymq.testing.result import CheckResult, Report
from anymq.testing.runner import Runner, choose
from anymq.urls import parse_url

__all__ = ["find_harness", "run"]

STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
PASSED, FAILED = 0, 1


def run(
    url: str | None,
    store: str | None,
    plugin: str | None,
    harness: str | None,
    only: str | None,
    json_path: Path | None,
) -> int:
    """Check a backend; exit status 0 when no check failed. Raises ConfigError, PluginError."""
    registry = Registry()
    if plugin is not None:
        registry.register(load_object(plugin), name=plugin)
    address = url or _configured(registry)
    found = find_harness(address, harness, registry)
    found.plugin = plugin or ""
    found.store = store or ""
    checks = choose((only or "").split(",") if only else (), families=("broker", "stream", "tasks"))
    report = asyncio.run(_run(found, registry, checks))
    _show(report)
    if json_path is not None:
        json_path.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return FAILED if report.failed else PASSED


def find_harness(url: str, named: str | None, registry: Registry) -> Harness:
    """The harness to use: the one that is named, else the descriptor's, else a plain one."""
    target = resolve_role(Settings(url=parse_url(url)), "broker", registry)
    name = named or target.descriptor.harness
    if name is None:
        found: Any = Harness
    elif ":" in name and name.partition(":")[0].endswith(".py"):
        found = load_object(name)
    else:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"harness {name!r} cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Harness)):
        raise ConfigError(f"harness {name!r} is not a subclass of anymq.testing.Harness")
    return found(url, registry=registry)


def _configured(registry: Registry) -> str:
    target = resolve_role(load_settings(), "broker", registry)
    return str(target.url)


async def _run(harness: Harness, registry: Registry, checks: list[Check]) -> Report:
    runner = Runner(harness, registry)
    report = await runner.prepare()
    descriptor = runner.target.descriptor
    families = {"broker"} | ({"stream"} if descriptor.stream is not None else set())
    if harness.store or descriptor.job_store is not None:
        families.add("tasks")
    chosen = [check for check in checks if check.family in families]
    console = Console(stderr=True)
    columns = (
        TextColumn("[bold]{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("", total=len(chosen))
        for check in chosen:
            progress.update(bar, description=f"{check.id} {check.name}"[:34])
            result = await runner.run_one(check)
            report.results.append(result)
            if result.outcome == "failed":
                progress.console.print(f"[bold red]{check.id}[/] {check.name}: {result.reason}")
            progress.advance(bar)
    await harness.cleanup()
    return report


def _show(report: Report) -> None:
    console = Console()
    table = Table(title=f"{report.backend} ({report.server})", title_justify="left")
    for heading in ("check", "families", "outcome", "variant", "sent", "seen", "s", "reason"):
        table.add_column(heading, overflow="fold")
    for result in report.results:
        table.add_row(*_row(result))
    console.print(table)
    counts = {name: sum(r.outcome == name for r in report.results) for name in STYLES}
    console.print(", ".join(f"[{STYLES[name]}]{count} {name}[/]" for name, count in counts.items()))


def _row(result: CheckResult) -> tuple[str, ...]:
    style = STYLES[result.outcome]
    return (
        result.id,
        result.family,
        f"[{style}]{result.outcome}[/]",
        result.variant,
        str(result.sent),
        str(result.seen),
        f"{result.seconds:.2f}",
        result.reason.replace("[", r"\["),
    )
