"""What aio-pika, aiormq and sockets raise, as AnyMQ's errors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from aiormq import exceptions as amqp

from anymq.errors import AccessDenied, AnyMQError, BackendUnavailable, Busy, ConfigError
from anymq.errors import TopologyError as Topology

__all__ = ["CLIENT_ERRORS", "is_starting", "map_error", "text_of", "translated"]

_NOT_ALLOWED = 530
"""The reply code for a virtual host that is missing or closed to this user."""

CLIENT_ERRORS: tuple[type[Exception], ...] = (amqp.AMQPError, OSError, RuntimeError, TimeoutError)
"""Everything the client library raises when the server, or the way to it, is the cause.

RuntimeError is how aiormq tells that a connection or channel is closed already.
"""

_TABLE: tuple[tuple[type[Exception], type[AnyMQError]], ...] = (
    (amqp.ChannelAccessRefused, AccessDenied),
    (amqp.ConnectionNotAllowed, AccessDenied),
    (amqp.ChannelLockedResource, Busy),
    (amqp.ChannelNotFoundEntity, Topology),
    (amqp.ChannelPreconditionFailed, Topology),
    (amqp.ChannelClosed, BackendUnavailable),
    (ssl.SSLCertVerificationError, ConfigError),
    (amqp.AMQPError, BackendUnavailable),
    (TimeoutError, BackendUnavailable),
    (OSError, BackendUnavailable),
    (RuntimeError, BackendUnavailable),
)


def text_of(error: BaseException) -> str:
    """The server's or the system's words, or the error's name where there are none."""
    words = [str(part) for part in error.args if part not in (None, "", 0)]
    return " ".join(words) or type(error).__name__


def is_starting(error: BaseException) -> bool:
    """Whether the server said "not found" of a queue that it has, and has not brought up yet."""
    is_not_found = isinstance(error, amqp.ChannelNotFoundEntity)
    return is_not_found and "is down or inaccessible" in text_of(error)


def map_error(error: Exception, doing: str) -> AnyMQError:
    """The AnyMQ error for a client error met while ``doing`` something ("declaring topics")."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConfigError(
            f"RabbitMQ's certificate was refused while {doing}: {text_of(cause)} (see tls_ca_file)"
        )
    if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
        return ConfigError(f"RabbitMQ speaks no TLS at this port, while {doing}")
    if isinstance(error, (amqp.AuthenticationError, amqp.ProbableAuthenticationError)):
        return AccessDenied(
            f"RabbitMQ, while {doing}: {text_of(error)} (see the URL's user name and password)"
        )
    if isinstance(error, amqp.ConnectionClosed) and error.args[:1] == (_NOT_ALLOWED,):
        return _not_allowed(error, doing)
    if isinstance(error, amqp.InvalidFrameError) and "Connection.OpenOk" in str(error):
        # aiormq keeps the server's reason for refusing a virtual host to itself.
        return ConfigError(
            f"RabbitMQ, while {doing}: the virtual host (the URL's path) does not exist, is down,"
            " or this user may not enter it"
        )
    if is_starting(error):
        return BackendUnavailable(f"RabbitMQ, while {doing}: {text_of(error)}")
    for client_error, ours in _TABLE:
        if isinstance(error, client_error):
            return ours(f"RabbitMQ, while {doing}: {text_of(error)}")
    return BackendUnavailable(f"RabbitMQ, while {doing}: {text_of(error)}")


def _not_allowed(error: Exception, doing: str) -> AnyMQError:
    text = f"RabbitMQ, while {doing}: {text_of(error)}"
    if "not found" in text:
        return ConfigError(f"{text} (the URL's path names the virtual host)")
    return AccessDenied(text)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise AnyMQ's errors instead of the client's, from within ``async`` code too.

    aiormq ends waiting calls with CancelledError when a connection dies, though nobody cancelled
    the caller; that becomes BackendUnavailable. A real cancellation passes.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise BackendUnavailable(f"RabbitMQ's connection was lost while {doing}") from error
    except CLIENT_ERRORS as error:
        raise map_error(error, doing) from error
