"""Typed options of a backend: one pydantic model per plugin, filled from URL and configuration."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = ["BackendOptions", "Field", "SecretStr"]


class BackendOptions(BaseModel):
    """Base of every plugin's options. Unknown keys are errors; secrets are ``SecretStr``.

    Core fills ``host``, ``port``, ``username``, ``password`` and ``path`` from the URL, everything
    else from its query and the configuration's table of the role.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    host: str = ""
    port: int | None = Field(default=None, ge=1, le=65535)
    username: str | None = None
    password: SecretStr | None = None
    path: str = ""
    """The URL's path without its leading slash, decoded: a database, a virtual host, a file."""
    scheme: str = ""
    connect_timeout_s: float = Field(default=5.0, gt=0, le=300)
    request_timeout_s: float = Field(default=10.0, gt=0, le=300)

    def secret(self, name: str) -> str | None:
        """A secret option in clear, for handing to the client library and nowhere else."""
        value: Any = getattr(self, name)
        return value.get_secret_value() if isinstance(value, SecretStr) else value
