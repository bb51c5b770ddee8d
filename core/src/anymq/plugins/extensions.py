"""Extensions: codecs, middleware, commands and health checks that other distributions bring."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pluggy

from anymq.errors import PluginError
from anymq.plugins.entries import PluginEntry
from anymq.plugins.loader import new_manager, register_checked
from anymq.plugins.remedies import brief, how_to_mend, trace_of

__all__ = ["BrokenExtension", "Extensions"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BrokenExtension:
    """An extension that was left out, or whose hook failed."""

    entry: PluginEntry
    problem: str
    trace: str


@dataclass(slots=True)
class Extensions:
    """The loaded extensions, by entry name. One that is broken is told of and left out."""

    manager: pluggy.PluginManager = field(default_factory=new_manager)
    loaded: dict[str, PluginEntry] = field(default_factory=dict)
    broken: list[BrokenExtension] = field(default_factory=list)

    @classmethod
    def load(cls, entries: Iterable[PluginEntry]) -> Extensions:
        """Import and register every entry. Never raises for an extension's fault."""
        extensions = cls()
        for entry in entries:
            extensions._load(entry)
        return extensions

    def call(self, hook: str) -> list[tuple[PluginEntry, Any]]:
        """Call a hook of every extension, by entry name; a failing one is told of and left out."""
        results: list[tuple[PluginEntry, Any]] = []
        for name, entry in self.loaded.items():
            others = [p for other, p in self.manager.list_name_plugin() if other != name]
            try:
                answers = self.manager.subset_hook_caller(hook, others)()
            except Exception as error:  # noqa: BLE001 - an extension must not stop the host
                self._leave_out(entry, error)
            else:
                results += [(entry, answer) for answer in answers]
        return results

    def _load(self, entry: PluginEntry) -> None:
        try:
            if entry.name in self.loaded:
                rivals = f"{self.loaded[entry.name]} and {entry}"
                raise PluginError(f"the extension {entry.name!r} is brought twice: by {rivals}")
            register_checked(self.manager, entry.load(), name=entry.name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - same
            self._leave_out(entry, error)
        else:
            self.loaded[entry.name] = entry

    def _leave_out(self, entry: PluginEntry, error: BaseException) -> None:
        problem = f"extension {entry} is left out: {brief(error)}; {how_to_mend(entry)}"
        self.broken.append(BrokenExtension(entry, problem, trace_of(error)))
        _log.warning("%s", problem)
