"""What a deployment of the newsstand decides: a file, then NEWSSTAND_*, then arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from anymq import ConfigError
from anymq.suggestion import did_you_mean

__all__ = ["CONFIG_FILE", "NewsstandSettings", "load_settings"]

CONFIG_FILE = "newsstand.toml"
PREFIX = "NEWSSTAND_"
EMBEDDED = "sqlite:///"
CONFIG_VARIABLE = "NEWSSTAND_CONFIG"
ROLES = ("broker", "tasks", "tasks_store", "stream")


class NewsstandSettings(BaseSettings):
    """Built directly it reads the file and the environment too; ``load_settings`` checks more."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        toml_file=CONFIG_FILE,
    )

    host: str = "127.0.0.1"
    """Where it listens. Until there is sign-in, this machine only."""
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes any free one."""
    prefix: str = Field(default="/api", pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    """Before every path of the HTTP interface."""
    database: SecretStr = SecretStr("sqlite:///./newsstand.db")
    """URL of the database."""
    messaging: SecretStr = SecretStr("sqlite:///./messaging.db")
    """URL of the messaging backend, for every role that names no other."""
    broker: SecretStr | None = None
    """URL of the backend that carries messages, where it is another one."""
    tasks: SecretStr | None = None
    """URL of the backend that carries jobs, where it is another one."""
    tasks_store: SecretStr | None = None
    """URL of the backend that keeps the jobs' results, where theirs keeps none."""
    stream: SecretStr | None = None
    """URL of the backend that keeps streams, where it is another one."""
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=100_000_000)
    """Larger request bodies are answered 413."""
    publish_timeout_s: float = Field(default=2.0, gt=0, le=60)
    """How long a request may wait for the messaging backend before it is answered 503."""
    feed_capacity: int = Field(default=100, ge=1, le=10_000)
    """Events that may wait for one watcher; who is further behind is told and let go."""
    max_watchers: int = Field(default=500, ge=1, le=100_000)
    """Live feeds open at once; one more is answered 503."""
    ping_s: float = Field(default=10.0, gt=0, le=300)
    """Seconds between heartbeats on a live feed."""

    @field_validator("host")
    @classmethod
    def _is_this_machine(cls, host: str) -> str:
        if host != "localhost" and not _is_loopback(host):
            raise ValueError("must be 127.0.0.1, ::1 or localhost as long as there is no sign-in")
        return host

    @field_validator("database")
    @classmethod
    def _is_embedded(cls, database: SecretStr) -> SecretStr:
        url = database.get_secret_value()
        if not url.startswith(EMBEDDED) or len(url) == len(EMBEDDED):
            raise ValueError(f"must be {EMBEDDED}PATH")
        return database

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))

    @property
    def database_url(self) -> str:
        return self.database.get_secret_value()

    @property
    def messaging_url(self) -> str:
        return self.messaging.get_secret_value()


def load_settings(config: Path | None = None, **arguments: Any) -> NewsstandSettings:
    """Read the configuration; ``arguments`` that are None were not given.

    ``config`` is read instead of newsstand.toml. A messaging URL given as an argument is for every
    role, whatever the file says. Raises ConfigError naming the key and what would be right, never
    the value.
    """
    _refuse_unknown_variables(os.environ)
    file = _file(config)
    given = {key: value for key, value in arguments.items() if value is not None}
    if "messaging" in given:
        given = dict.fromkeys(ROLES) | given
    try:
        return _reading(file)(**given)
    except ValidationError as error:
        problem = "; ".join(_describe(one) for one in error.errors(include_input=False))
    except ValueError as error:  # the file is not TOML
        problem = f"{file.resolve()}: {error}"
    raise ConfigError(problem)


def _file(config: Path | None) -> Path:
    named = config or os.environ.get(CONFIG_VARIABLE)
    if named and not Path(named).is_file():
        raise ConfigError(f"there is no file {str(named)!r}")
    return Path(named or CONFIG_FILE)


def _reading(file: Path) -> type[NewsstandSettings]:
    class Configured(NewsstandSettings):
        model_config = SettingsConfigDict(toml_file=file)

    return Configured


def _describe(error: Mapping[str, Any]) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"unknown key {key!r}{did_you_mean(key, _keys())}"
    return f"{key}: {str(error['msg']).removeprefix('Value error, ')}"


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    for name in environ:
        if not name.upper().startswith(PREFIX) or name == CONFIG_VARIABLE:
            continue
        key = name[len(PREFIX) :].lower()
        if key not in _keys():
            raise ConfigError(f"unknown variable {name}{did_you_mean(key, _keys())}")


def _keys() -> tuple[str, ...]:
    return tuple(NewsstandSettings.model_fields)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
