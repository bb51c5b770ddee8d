"""One connection of the client library, as the options say: by TCP, by TLS or by a unix socket."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from anymq_redis.options import RedisOptions

__all__ = ["client", "dial"]


CLIENT_CONNECTIONS = 16
"""Most that a client of the library's own may open at once."""


class _TlsConnection(SSLConnection):
    """Ends without the server's goodbye, for which the library's own waits up to 30 s."""

    async def disconnect(self, *args: Any, **kwargs: Any) -> None:
        writer = self._writer
        try:
            await super().disconnect(*args, **{**kwargs, "nowait": True})
        finally:
            if writer is not None:
                writer.transport.abort()


def dial(options: RedisOptions, name: str) -> AbstractConnection:
    """A connection that is not open yet; ``name`` is what the server lists it by."""
    kind, arguments = _how(options, name)
    return kind(**arguments)


def client(options: RedisOptions, name: str) -> Redis:
    """A client of the library's own, with a pool; whoever asks for it closes it."""
    kind, arguments = _how(options, name)
    pool = ConnectionPool(kind, max_connections=CLIENT_CONNECTIONS, **arguments)
    return Redis.from_pool(pool)


def _how(options: RedisOptions, name: str) -> tuple[type[AbstractConnection], dict[str, Any]]:
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
        return UnixDomainSocketConnection, common | {"path": options.host}
    common |= {
        "host": options.host or "localhost",
        "port": options.port or 6379,
        "socket_connect_timeout": options.connect_timeout_s,
        "socket_keepalive": True,
    }
    if not options.uses_tls:
        return Connection, common
    return _TlsConnection, common | {
        "ssl_ca_certs": options.tls_ca_file,
        "ssl_certfile": options.tls_cert_file,
        "ssl_keyfile": options.tls_key_file,
        "ssl_cert_reqs": "required" if options.tls_verify else "none",
        "ssl_check_hostname": options.tls_verify,
    }
