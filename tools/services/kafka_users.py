"""A user of Kafka's SCRAM listeners, taken away and given back in Kafka's own protocol.

Kafka's tool for it starts a Java machine, which takes seconds; one request takes milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import socket
import struct

from services.errors import ServiceError

__all__ = ["delete_user", "set_password"]

_LIMIT_S = 10.0
_API_KEY = 51
"""AlterUserScramCredentials, version 0."""
_SHA_512 = 2
_ITERATIONS = 4096
"""The fewest that Kafka accepts."""
_NO_SUCH_USER = 91
_CLIENT = b"anymq"


def set_password(port: int, user: str, password: str) -> None:
    """Let a user in by SCRAM-SHA-512, through a listener that asks for no login.

    Raises:
        ServiceError: the broker does not answer, or refuses.
    """
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    settings = struct.pack(">bi", _SHA_512, _ITERATIONS)
    entry = _text(user) + settings + _bytes(salt) + _bytes(salted) + b"\0"
    _send(port, _array() + _array(entry))


def delete_user(port: int, user: str) -> None:
    """Let a user no longer in; one that is not there is left alone.

    Raises:
        ServiceError: the broker does not answer, or refuses.
    """
    _send(port, _array(_text(user) + struct.pack(">b", _SHA_512) + b"\0") + _array())


def _send(port: int, body: bytes) -> None:
    head = struct.pack(">hhih", _API_KEY, 0, 1, len(_CLIENT)) + _CLIENT + b"\0"
    request = head + body + b"\0"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as replies:
                (size,) = struct.unpack(">i", replies.read(4))
                reply = replies.read(size)
    except (OSError, struct.error) as exc:
        raise ServiceError(f"no Kafka answers at port {port}") from exc
    # Correlation id, no tags, throttle time, one result: a name, then the error's number.
    name_bytes = reply[10] - 1
    (code,) = struct.unpack_from(">h", reply, 11 + name_bytes)
    if code not in {0, _NO_SUCH_USER}:
        raise ServiceError(f"Kafka refuses to change its users (error {code})")


def _text(value: str) -> bytes:
    return _bytes(value.encode())


def _bytes(value: bytes) -> bytes:
    """Return a compact string: the length, plus one, as a variable-length integer."""
    if len(value) > 126:  # a second byte of length would be needed
        raise ServiceError("names and passwords have at most 126 bytes")
    return bytes([len(value) + 1]) + value


def _array(*entries: bytes) -> bytes:
    return bytes([len(entries) + 1]) + b"".join(entries)
