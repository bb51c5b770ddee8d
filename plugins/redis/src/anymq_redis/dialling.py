"""One connection of the client library, as the options say: by TCP, by TLS or by a unix socket."""

from __future__ import annotations

from typing import Any

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from anymq_redis.options import RedisOptions

__all__ = ["dial"]


def dial(options: RedisOptions, name: str) -> AbstractConnection:
    """A connection that is not open yet; ``name`` is what the server lists it by."""
    # No socket timeout: every exchange has its own limit, and the library's costs a task each.
    common: dict[str, Any] = {
        "db": options.database,
        "username": options.username,
        "password": options.secret("password"),
        "client_name": "".join(c if c.isalnum() or c in "-_." else "-" for c in name),
        "socket_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,  # replies keep one shape on every server
        "driver_info": None,
    }
    if options.host.startswith("/"):
        return UnixDomainSocketConnection(path=options.host, **common)
    common |= {
        "host": options.host or "localhost",
        "port": options.port or 6379,
        "socket_connect_timeout": options.connect_timeout_s,
        "socket_keepalive": True,
    }
    if not options.uses_tls:
        return Connection(**common)
    return SSLConnection(
        ssl_ca_certs=options.tls_ca_file,
        ssl_certfile=options.tls_cert_file,
        ssl_keyfile=options.tls_key_file,
        ssl_cert_reqs="required" if options.tls_verify else "none",
        ssl_check_hostname=options.tls_verify,
        **common,
    )
