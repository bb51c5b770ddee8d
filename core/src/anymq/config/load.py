"""Reading the configuration: a file, then the environment, then what the code says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from anymq.config.given import Tree, merge
from anymq.config.layers import (
    ROLES,
    argument_layer,
    config_file,
    environment_layer,
    file_layer,
)
from anymq.config.model import Settings
from anymq.config.reader import known_keys, read_model

__all__ = ["LoadedSettings", "layered_tree"]


def layered_tree(arguments: Mapping[str, Any], *, environ: Mapping[str, str], folder: Path) -> Tree:
    """All layers in one, each value with its origin. Raises ConfigError."""
    below = merge(
        file_layer(config_file(folder, environ)), environment_layer(environ, known_keys(Settings))
    )
    upper = argument_layer(arguments)
    if "url" in upper:
        # A URL in the code says it outright: for every role, with no other backend's options.
        below = {key: node for key, node in below.items() if key not in ROLES}
    return merge(below, upper)


class LoadedSettings(Settings, BaseSettings):
    """Settings that read anymq.toml (or pyproject.toml), ``ANYMQ_*`` and their arguments."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # One source: layers are merged by us, because ``key`` and ``key_file`` replace each other
        # across layers, and because every error names the place where a value was given.
        tree = layered_tree(init_settings(), environ=os.environ, folder=Path.cwd())
        settings = read_model(Settings, tree)
        values = {key: getattr(settings, key) for key in settings.model_fields_set}
        return (InitSettingsSource(settings_cls, init_kwargs=values),)
