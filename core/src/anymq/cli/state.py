"""What every command gets: the registry with the plugins that were named on the command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from anymq.plugins import Registry
    from anymq.plugins.extensions import Extensions

__all__ = ["State", "import_from_here", "state_of"]


@dataclass(slots=True)
class State:
    """The options that stand before the command."""

    plugins: list[str] = field(default_factory=list)
    """``FILE.py:OBJECT`` or ``module:object``: backends that are not installed."""
    show_traceback: bool = False
    _installed: Registry | None = None
    _is_complete: bool = False

    def registry(self) -> Registry:
        """One registry for the whole command, with the plugins that were named."""
        registry = self._installed_only()
        if self.plugins and not self._is_complete:
            from anymq.plugins.loader import load_object

            import_from_here()
            for spec in self.plugins:
                registry.register(load_object(spec), name=spec)
        self._is_complete = True
        return registry

    def extensions(self) -> Extensions:
        """The installed extensions; asked for before the command line is read."""
        return self._installed_only().extensions()

    def _installed_only(self) -> Registry:
        if self._installed is None:
            from anymq.plugins import Registry

            self._installed = Registry()
        return self._installed


def import_from_here() -> None:
    """Let modules of the working directory be imported, as ``python -m`` does."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def state_of(context: typer.Context) -> State:
    """The state of a running command."""
    return context.ensure_object(State)
