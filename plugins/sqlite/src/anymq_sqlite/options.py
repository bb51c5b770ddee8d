"""Options of ``sqlite:///FILE``."""

from __future__ import annotations

import os
from typing import TypeVar

from pydantic import Field, field_validator

from anymq.options import BackendOptions

__all__ = ["SqliteOptions"]

Value = TypeVar("Value")


class SqliteOptions(BackendOptions):
    """``sqlite:///relative/file.db`` or ``sqlite:////absolute/file.db``."""

    lease_s: float = Field(default=30.0, ge=0.2, le=3600)
    """How long a delivery stays with a consumer that neither settles nor keeps it; also how long
    a process may give no sign before others take over what it held."""
    max_message_bytes: int = Field(default=1_048_576, ge=1024, le=256 * 1024 * 1024)
    max_batch: int = Field(default=1000, ge=1, le=10_000)
    busy_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """How long to wait for another process that is writing."""
    max_file_bytes: int | None = Field(default=None, ge=1_048_576)
    """Above so many bytes in use, sends are rejected as ``full``; None: the disk is the limit."""

    @field_validator("host", "username", "password", "port")
    @classmethod
    def _only_a_file(cls, value: Value) -> Value:
        """Refuse what would have no effect: a file has no password."""
        if value:
            raise ValueError(
                "sqlite takes only a file and options, as in sqlite:///relative.db or"
                " sqlite:////absolute.db: the file system's permissions guard it"
            )
        return value

    @field_validator("path")
    @classmethod
    def _is_file(cls, path: str) -> str:
        if path.startswith(":") or "\0" in path:
            raise ValueError(f"{path!r} is no file: use memory:// for what need not be kept")
        return path

    @property
    def file(self) -> str:
        """The file's absolute path, links followed, so that every way to it is one."""
        return os.path.realpath(self.path or "anymq.db")
