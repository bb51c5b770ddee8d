"""The command ``newsstand``."""

from __future__ import annotations

from newsstand.cli.commands import main

__all__ = ["main"]
