"""The databases' errors as AnyMQ's: one table, most specific first."""

from __future__ import annotations

from anymq.errors import AccessDenied, AnyMQError, BackendUnavailable, ConfigError

__all__ = ["translate"]

_BY_STATE: tuple[tuple[str, type[AnyMQError]], ...] = (
    ("28", AccessDenied),  # invalid authorization
    ("42501", AccessDenied),  # insufficient privilege
    ("3D000", ConfigError),  # no such database
)
"""By the beginning of the SQLSTATE."""


def translate(error: BaseException, where: str) -> AnyMQError:
    """The error to raise in place of the library's; holds no statement and no value."""
    if isinstance(error, AnyMQError):
        return error
    cause: BaseException | None = error
    while cause is not None:
        state = str(getattr(cause, "sqlstate", None) or "")
        for begins, ours in _BY_STATE:
            if state.startswith(begins):
                return ours(f"{where}: the database refused ({state}, {type(cause).__name__})")
        cause = getattr(cause, "orig", None) or cause.__cause__
    return BackendUnavailable(f"{where}: {type(error).__name__}")
