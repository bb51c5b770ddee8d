"""What every command gets: the registry with the plugins that were named on the command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from anymq.plugins import Registry

__all__ = ["State", "import_from_here", "state_of"]


@dataclass(slots=True)
class State:
    """The options that stand before the command."""

    plugins: list[str] = field(default_factory=list)
    """``FILE.py:OBJECT`` or ``module:object``: backends that are not installed."""
    show_traceback: bool = False
    _registry: Registry | None = None

    def registry(self) -> Registry:
        """One registry for the whole command."""
        if self._registry is None:
            from anymq.plugins import Registry
            from anymq.plugins.loader import load_object

            registry = Registry()
            if self.plugins:
                import_from_here()
            for spec in self.plugins:
                registry.register(load_object(spec), name=spec)
            self._registry = registry
        return self._registry


def import_from_here() -> None:
    """Let modules of the working directory be imported, as ``python -m`` does."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def state_of(context: typer.Context) -> State:
    """The state of a running command."""
    return context.ensure_object(State)
