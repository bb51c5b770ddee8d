"""How commands speak: tables and colours for people, JSON for machines, errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["STYLES", "cell", "console", "print_error", "print_json", "table"]

# Into a pipe nobody wraps lines, so that grep finds whole rows.
_PIPE_WIDTH = 240

STYLES = {
    "ok": "green",
    "N": "green",
    "E": "yellow",
    "U": "red",
    "broken": "bold red",
    "failed": "bold red",
    "excluded": "dim",
}
"""Styles of words that tell a condition."""


def console() -> Console:
    """A console on stdout; colours and width follow the terminal (and NO_COLOR)."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(highlight=False, markup=False, width=width)


def cell(text: object) -> Text:
    """One cell of a table; words that tell a condition are coloured. Never markup."""
    from rich.text import Text

    words = "" if text is None else str(text)
    return Text(words, style=STYLES.get(words, ""))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> Table:
    """A plain table: no frame, bold headings."""
    from rich.table import Table

    made = Table(
        box=None, title=title or None, title_justify="left", title_style="bold", pad_edge=False
    )
    for column in columns:
        made.add_column(column, header_style="bold", overflow="fold")
    for row in rows:
        made.add_row(*map(cell, row))
    return made


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def print_error(text: str) -> None:
    """One line on stderr, whatever newlines the text has."""
    label = "\x1b[1;31manymq: error:\x1b[0m" if sys.stderr.isatty() else "anymq: error:"
    sys.stderr.write(f"{label} {' '.join(text.split())}\n")
