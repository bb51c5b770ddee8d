"""``newsstand demo``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from newsstand.cli.options import Config, Host, Port, Prefix

__all__ = ["demo"]


def demo(
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="So long.")] = 60,
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Messengers per second.")] = 2,
    seed: Annotated[int, typer.Option(help="Other numbers invent other people.")] = 0,
    host: Host = None,
    port: Port = None,
    prefix: Prefix = None,
    config: Config = None,
) -> None:
    """Send invented messengers to the newsstand for a minute; starts one if none runs."""
    # What only the demonstration needs does not delay the other commands.
    from newsstand.demo.run import DemoPlan, run_demo
    from newsstand.settings import load_settings

    settings = load_settings(config, host=host, port=port, prefix=prefix)
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    plan = DemoPlan(
        site=f"http://{name}:{settings.port}",
        prefix=settings.prefix,
        seconds=seconds,
        rate=rate,
        seed=seed,
    )
    raise typer.Exit(asyncio.run(run_demo(plan)))
