"""A user of RabbitMQ, taken away and given back through the management interface."""

from __future__ import annotations

import base64
import http.client
import json

from services.errors import ServiceError

__all__ = ["grant", "revoke"]

_LIMIT_S = 10.0
_ALL = {"configure": ".*", "write": ".*", "read": ".*"}
_LOGIN = base64.b64encode(b"guest:guest").decode("ascii")


def grant(port: int, user: str, *, password: str, host: str) -> None:
    """Let a user into one virtual host, which is created if need be, and into no other.

    Raises:
        ServiceError: the interface does not answer, or refuses.
    """
    _call(port, "PUT", f"/api/vhosts/{host}", {})
    _call(port, "DELETE", f"/api/permissions/{host}/guest", None)  # who creates one may enter it
    _call(port, "PUT", f"/api/users/{user}", {"password": password, "tags": ""})
    _call(port, "PUT", f"/api/permissions/{host}/{user}", _ALL)


def revoke(port: int, user: str) -> None:
    """Let a user no longer in, and close all its connections.

    Raises:
        ServiceError: the interface does not answer, or refuses.
    """
    _call(port, "DELETE", f"/api/users/{user}", None)  # the server closes them by itself


def _call(port: int, method: str, path: str, body: object) -> None:
    headers = {"Authorization": f"Basic {_LOGIN}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_LIMIT_S)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as exc:
        raise ServiceError(f"RabbitMQ's management interface fails: {exc!r}") from exc
    finally:
        connection.close()
    if status >= http.HTTPStatus.BAD_REQUEST and status != http.HTTPStatus.NOT_FOUND:
        raise ServiceError(f"RabbitMQ refuses {method} {path}: status {status}")
