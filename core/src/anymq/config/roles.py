"""Which backend serves a role, and with which options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymq.config.model import Role, Settings
from anymq.config.options import build_options
from anymq.errors import ConfigError
from anymq.options import BackendOptions
from anymq.plugins.descriptor import BackendDescriptor
from anymq.plugins.registry import Registry
from anymq.urls import BackendUrl, parse_url

__all__ = ["DEFAULT_URL", "RoleTarget", "resolve_role", "resolve_store"]

DEFAULT_URL = "sqlite:///./anymq.db"
"""The backend when no URL is configured anywhere: embedded and durable."""


@dataclass(frozen=True, slots=True)
class RoleTarget:
    """A role's backend, ready for its factory."""

    url: BackendUrl
    descriptor: BackendDescriptor
    options: BackendOptions
    where: str
    """The key that named the URL, or "default"."""


def resolve_role(settings: Settings, role: Role, registry: Registry) -> RoleTarget:
    """The backend of a role: its own URL, else that of all roles, else the embedded default.

    Raises: ConfigError for no URL, an unknown scheme or wrong options; PluginError.
    """
    table = settings.role(role)
    if table.url is not None:
        return _target(table.url, table.options, f"{role}.url", registry, path=role)
    if settings.url is not None:
        return _target(settings.url, table.options, "url", registry, path=role)
    if any(other.url for other in (settings.broker, settings.tasks, settings.stream)):
        raise ConfigError(
            f"no backend for the role {role!r}: set '{role}.url' for it alone, or 'url' for every"
            f" role that has none of its own ({_ways(role)})"
        )
    if "sqlite" not in registry.schemes():
        raise ConfigError(
            f"no backend is configured: set 'url' ({_ways()}), or install the embedded default:"
            " pip install anymq-sqlite"
        )
    return _target(parse_url(DEFAULT_URL), table.options, "default", registry, path=role)


def resolve_store(settings: Settings, registry: Registry) -> RoleTarget | None:
    """The backend that keeps the tasks' results, where ``tasks.store`` names one."""
    if settings.tasks.store is None:
        return None
    return _target(settings.tasks.store, {}, "tasks.store", registry, path="tasks")


def _target(
    url: BackendUrl,
    table: Mapping[str, Any],
    where: str,
    registry: Registry,
    *,
    path: str,
) -> RoleTarget:
    try:
        descriptor = registry.descriptor(url.scheme)
    except ConfigError as error:
        problem = f"{where}: {error}"
    else:
        options = build_options(descriptor.options, url, table, where=where, path=path)
        return RoleTarget(url, descriptor, options, where)
    raise ConfigError(problem)


def _ways(role: str = "") -> str:
    header = f"[anymq.{role}]" if role else "[anymq]"
    variable = f"ANYMQ_{role.upper()}__URL" if role else "ANYMQ_URL"
    return f'{header} url = "redis://localhost:6379/0" in anymq.toml, or {variable}'
