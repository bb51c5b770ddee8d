"""Options of ``memory://NAME``."""

from __future__ import annotations

from typing import TypeVar

from pydantic import Field, field_validator

from anymq.capabilities import FEATURES
from anymq.options import BackendOptions

__all__ = ["MemoryOptions"]

Value = TypeVar("Value")


class MemoryOptions(BackendOptions):
    """``memory://NAME``: Apps of one process that give the same name share one space."""

    lease_s: float = Field(default=30.0, gt=0)
    """How long a delivery stays with a consumer that neither settles nor keeps it."""
    max_messages: int = Field(default=1_000_000, ge=1)
    """Most messages that wait for one group; further ones are rejected as ``full``."""
    max_message_bytes: int = Field(default=1_048_576, ge=1024)
    native: str = "all"
    """Comma list of what the backend does itself ("none": core emulates everything)."""

    @field_validator("username", "password", "port", "path")
    @classmethod
    def _only_a_name(cls, value: Value) -> Value:
        """Refuse what would have no effect: nobody guards a space with a password."""
        if value:
            raise ValueError("memory:// takes only a name and options, as in memory://NAME")
        return value

    @field_validator("native")
    @classmethod
    def _known_features(cls, value: str) -> str:
        unknown = sorted(_names(value) - FEATURES)
        if unknown:
            raise ValueError(
                f"{unknown[0]!r} is no feature; there are {', '.join(sorted(FEATURES))}"
            )
        return value

    @property
    def space(self) -> str:
        """The name of the space."""
        return self.host or "default"

    def features(self) -> frozenset[str]:
        """The features of ``native``."""
        return _names(self.native)


def _names(native: str) -> frozenset[str]:
    if native == "all":
        return FEATURES
    return frozenset(name for name in native.split(",") if name not in ("", "none"))
