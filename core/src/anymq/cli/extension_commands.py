"""Commands that other distributions bring, by the hook ``anymq_commands``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any

import typer

from anymq.cli.state import State

__all__ = ["add_extension_commands"]

_log = logging.getLogger(__name__)
# The group's name is repeated here because its module takes longer to import than this check.
_GROUP = "anymq.extensions"


def add_extension_commands(app: typer.Typer, state: State, *, taken: Iterable[str]) -> None:
    """Add them to the command line; what cannot be added is told of and left out.

    ``taken`` are the names that are ours.
    """
    if not entry_points(group=_GROUP):
        return
    names = set(taken)
    for entry, commands in state.extensions().call("anymq_commands"):
        if not isinstance(commands, Mapping):
            _log.warning("extension %s: anymq_commands must return a mapping", entry)
            continue
        for name, command in commands.items():
            if name in names:
                _log.warning("extension %s: there is a command %r already", entry, name)
            elif _add(app, name, command):
                names.add(name)
            else:
                _log.warning("extension %s: command %r is no typer application", entry, name)


def _add(app: typer.Typer, name: str, command: Any) -> bool:
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
        return True
    if callable(command):
        app.command(name)(command)
        return True
    return False
