"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["AsJson", "Group", "Topic", "Url", "Yes"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[
    str | None, typer.Option("--url", help="The backend's URL, instead of the configured one.")
]
Topic = Annotated[str, typer.Argument(help="Name of the topic.")]
Group = Annotated[str, typer.Argument(help="Name of the group.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
