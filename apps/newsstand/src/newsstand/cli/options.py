"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Config", "Database", "Host", "Messaging", "Port", "Prefix"]

Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Instead of newsstand.toml.", show_default=False),
]
Database = Annotated[
    str | None, typer.Option(metavar="URL", help="Where the rows are kept.", show_default=False)
]
Messaging = Annotated[
    str | None, typer.Option(metavar="URL", help="The messaging backend.", show_default=False)
]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Listen here; 0: any free port.", show_default=False),
]
Host = Annotated[
    str | None, typer.Option(help="Listen here: an address of this machine.", show_default=False)
]
Prefix = Annotated[
    str | None, typer.Option(help="Before the paths of the interface.", show_default=False)
]
