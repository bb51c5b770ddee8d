"""What a deployment decides: read once, checked at start, shown without secrets."""

from __future__ import annotations

from typing import Any

from anymq.config.model import (
    KeyRing,
    RetryOverride,
    Role,
    RoleSettings,
    Settings,
    SubscriberOverride,
    TaskSettings,
)
from anymq.config.options import build_options
from anymq.config.roles import RoleTarget, resolve_role, resolve_store
from anymq.urls import BackendUrl

__all__ = [
    "KeyRing",
    "RetryOverride",
    "Role",
    "RoleSettings",
    "RoleTarget",
    "Settings",
    "SubscriberOverride",
    "TaskSettings",
    "build_options",
    "load_settings",
    "resolve_role",
    "resolve_store",
]


def load_settings(*, url: str | BackendUrl | None = None, **settings: Any) -> Settings:
    """Read the configuration: anymq.toml or pyproject.toml, ``ANYMQ_*``, then these arguments.

    A ``url`` given here is for every role: the roles' own tables are left out.

    Raises ConfigError naming the key, the place, and what would be right.
    """
    from anymq.config.load import LoadedSettings

    loaded = LoadedSettings(url=url, **settings)
    return Settings(**{key: getattr(loaded, key) for key in loaded.model_fields_set})
