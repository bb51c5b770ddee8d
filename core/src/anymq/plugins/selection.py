"""``ANYMQ_PLUGINS``: which of the installed plugins may be used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from anymq.errors import ConfigError
from anymq.plugins.entries import PluginEntry
from anymq.suggestion import did_you_mean

__all__ = ["PLUGINS_VARIABLE", "Selection"]

PLUGINS_VARIABLE = "ANYMQ_PLUGINS"


@dataclass(frozen=True, slots=True)
class Selection:
    """Names of entries or distributions; None allows all, the empty set none."""

    names: frozenset[str] | None = None

    @classmethod
    def parse(cls, text: str | None) -> Selection:
        """Read the variable's value: a comma list, "" for none, None (not set) for all."""
        if text is None:
            return cls()
        return cls(frozenset(filter(None, (part.strip() for part in text.split(",")))))

    def allows(self, entry: PluginEntry) -> bool:
        """Whether this entry may be used."""
        return self.names is None or entry.name in self.names or entry.distribution in self.names

    def check(self, entries: Iterable[PluginEntry]) -> None:
        """Raise ConfigError for a name that is neither an entry nor a distribution."""
        known = {name for entry in entries for name in (entry.name, entry.distribution)}
        unknown = sorted((self.names or frozenset()) - known)
        if unknown:
            raise ConfigError(
                f"{self} names {unknown[0]!r}, which is not installed"
                f"{did_you_mean(unknown[0], known)}"
            )

    def __str__(self) -> str:
        return f"{PLUGINS_VARIABLE}={','.join(sorted(self.names or ()))}"
