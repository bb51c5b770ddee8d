"""Asking before something is lost."""

from __future__ import annotations

import sys

import typer

from anymq.errors import ConfigError

__all__ = ["ask"]


def ask(question: str, *, yes: bool) -> None:
    """Return when the answer is yes. Raises typer.Abort for no, ConfigError without a terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} Nobody is there to answer: confirm with --yes")
    typer.confirm(question, abort=True)
