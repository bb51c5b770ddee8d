"""The client's errors as AnyMQ's: one table, most specific first."""

from __future__ import annotations

import ssl

from redis import exceptions as client

from anymq.errors import (
    AccessDenied,
    AnyMQError,
    BackendUnavailable,
    BufferFull,
    ConfigError,
    TopologyError,
)
from anymq.outcome import Rejected, SendResult, Unknown

__all__ = ["is_missing_group", "refusal", "translate"]

_TABLE: tuple[tuple[type[Exception], type[AnyMQError]], ...] = (
    (client.AuthenticationError, AccessDenied),
    (client.AuthorizationError, AccessDenied),
    (client.NoPermissionError, AccessDenied),
    (client.OutOfMemoryError, BufferFull),
    (client.ConnectionError, BackendUnavailable),
    (client.TimeoutError, BackendUnavailable),
    (OSError, BackendUnavailable),  # also the builtin TimeoutError
)
_BY_WORD: tuple[tuple[str, type[AnyMQError]], ...] = (
    ("WRONGTYPE", TopologyError),
    ("NOGROUP", TopologyError),
    ("NOPERM", AccessDenied),
    ("NOAUTH", AccessDenied),
    ("WRONGPASS", AccessDenied),
    ("DB index", ConfigError),
    ("CERTIFICATE_VERIFY_FAILED", ConfigError),
    ("OOM", BufferFull),
    ("MISCONF", BufferFull),
)
"""Answers that the client has no class for, or that came out of a script: by their first words."""


def translate(error: Exception, address: str) -> AnyMQError:
    """The error to raise in place of the client's; never holds credentials or bodies."""
    text = f"redis at {address}: {str(error) or type(error).__name__}"
    if (reason := _bad_file(error)) is not None:
        return ConfigError(f"redis at {address}: {reason} (see the tls_*_file options)")
    if "CERTIFICATE" in text:
        text += " (see tls_ca_file and tls_verify)"
    if isinstance(error, client.AuthenticationError):
        text += " (see the URL's user name and password)"
    for word, ours in _BY_WORD:
        if word in str(error):
            return ours(text)
    for theirs, ours in _TABLE:
        if isinstance(error, theirs):
            return ours(text)
    return BackendUnavailable(text)


def _bad_file(error: Exception) -> str | None:
    """What is wrong with a certificate or key of ours, which the client calls a lost connection."""
    cause = error.__context__
    if isinstance(cause, (FileNotFoundError, PermissionError, IsADirectoryError)):
        return f"a TLS file cannot be read: {cause.strerror}"
    if isinstance(cause, ssl.SSLError) and ("PEM" in str(cause) or "X509" in str(cause)):
        return f"a TLS file cannot be used: {cause.strerror}"
    return None


def refusal(error: AnyMQError) -> SendResult:
    """What a failed send means for each of its messages."""
    if isinstance(error, BufferFull):
        return Rejected("full", str(error))
    if isinstance(error, AccessDenied):
        return Rejected("denied", str(error))
    if isinstance(error, TopologyError):
        return Rejected("invalid", str(error))
    return Unknown(str(error))


def is_missing_group(error: Exception) -> bool:
    """Whether the server has lost a group that was declared."""
    return "NOGROUP" in str(error)
