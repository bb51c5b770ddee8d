"""``anymq config``: what is configured, where, with secrets masked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

__all__ = ["config"]


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show and check the configuration: each key, its value and where it was given."""
    from anymq.cli.output import console, print_json, table
    from anymq.cli.settings_view import given_settings, read_file_name
    from anymq.config import load_settings

    file = read_file_name()
    load_settings()
    given = given_settings({})
    if as_json:
        print_json({"file": file, "settings": [asdict(setting) for setting in given]})
        return
    out = console()
    out.print(f"File: {file or 'none'}")
    if given:
        rows = [(setting.key, setting.value, setting.origin) for setting in given]
        out.print(table(("Key", "Value", "Given by"), rows))
    else:
        out.print("Nothing is configured; every key has its default.")
