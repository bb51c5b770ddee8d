"""What is installed: entry points read from metadata, without importing a single plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

__all__ = [
    "BACKEND_GROUP",
    "EXTENSION_GROUP",
    "PluginEntry",
    "known_schemes",
    "package_for",
    "read_entries",
]

BACKEND_GROUP = "anymq.plugins"
"""Entry-point group of the backends: one entry for each URL scheme."""

EXTENSION_GROUP = "anymq.extensions"
"""Entry-point group of further codecs, middleware, commands and health checks."""

_PACKAGES: Mapping[str, str] = {
    "sqlite": "anymq-sqlite",
    "redis": "anymq-redis",
    "rediss": "anymq-redis",
    "valkey": "anymq-redis",
    "valkeys": "anymq-redis",
    "amqp": "anymq-rabbitmq",
    "amqps": "anymq-rabbitmq",
    "kafka": "anymq-kafka",
    "kafkas": "anymq-kafka",
    "celery+redis": "anymq[celery]",
    "celery+rediss": "anymq[celery]",
    "celery+amqp": "anymq[celery]",
    "celery+amqps": "anymq[celery]",
    "postgresql": "anymq[sql]",
}


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """One entry of an installed distribution, or one object that was registered by hand."""

    name: str
    """The entry's name: for a backend, the URL scheme."""
    target: str
    """``module`` or ``module:attribute``."""
    distribution: str
    """Name of the distribution that brings it; "" for what was registered by hand."""
    version: str = ""
    group: str = BACKEND_GROUP

    def load(self) -> object:
        """Import the plugin. Raises whatever its import raises."""
        return EntryPoint(self.name, self.target, self.group).load()

    @property
    def key(self) -> tuple[str, str]:
        """What two entries share when one plugin object serves both."""
        return self.distribution, self.target

    def __str__(self) -> str:
        if not self.distribution:
            return f"{self.name!r} (registered from {self.target})"
        return f"{self.name!r} of {self.distribution} {self.version}".rstrip()


def read_entries(group: str) -> tuple[PluginEntry, ...]:
    """All entries of a group on the import path, by name and distribution. Imports nothing."""
    found = (_entry(point) for point in entry_points(group=group))
    return tuple(sorted(found, key=lambda entry: (entry.name, entry.distribution)))


def package_for(scheme: str) -> str | None:
    """The distribution that is known to bring a scheme, or None."""
    return _PACKAGES.get(scheme)


def known_schemes() -> tuple[str, ...]:
    """The schemes whose distribution is known, installed or not."""
    return tuple(_PACKAGES)


def _entry(point: EntryPoint) -> PluginEntry:
    distribution = point.dist
    return PluginEntry(
        name=point.name,
        target=point.value,
        distribution=distribution.name if distribution else "an unnamed distribution",
        version=distribution.version if distribution else "",
        group=point.group,
    )
