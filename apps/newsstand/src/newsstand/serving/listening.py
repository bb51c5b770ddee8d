"""The socket we listen on: bound before anything starts, so that a taken port is said at once."""

from __future__ import annotations

import errno
import socket

from anymq import ConfigError

__all__ = ["listen", "url_of"]

BACKLOG = 100


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Who calls closes it.

    Raises ConfigError when the port is taken or not ours to use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"({error.strerror})"
        raise ConfigError(f"port {port} of {host} {reason}: choose another with --port") from None
    return made


def url_of(listening: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
