"""Ask a server, in its own protocol, whether it serves."""

from __future__ import annotations

import base64
import http.client
import socket
import struct
from urllib.parse import SplitResult, urlsplit

__all__ = ["amqp", "answers", "kafka", "management", "postgres", "redis", "redis_reply"]

_LIMIT_S = 2.0
"""For each network step: a healthy server on loopback answers within milliseconds."""

_DEFAULT_PORTS = {"redis": 6379, "amqp": 5672, "kafka": 9092, "postgresql": 5432}


def answers(url: str) -> bool:
    """Tell whether the server at a URL of the user's serves; over TLS, whether it listens."""
    parts = urlsplit(url)
    host, port = _address(parts)
    probes = {"redis": redis, "amqp": amqp, "kafka": kafka, "postgresql": postgres}
    probe = probes.get(parts.scheme.split("+")[0], _listens)
    return probe(port, host=host)


def redis(port: int, *, host: str = "127.0.0.1") -> bool:
    """Send PING; a server that still loads its data is not ready, one that wants a login is."""
    reply = _ask(host, port, b"PING\r\n", 5)
    return reply in {b"+PONG", b"-NOAU"}


def redis_reply(port: int, command: str) -> str:
    """Return the first line that the server answers to a command; empty without an answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S) as connection:
            connection.sendall(command.encode() + b"\r\n")
            with connection.makefile("rb") as replies:
                return replies.readline().decode(errors="replace").strip()
    except OSError:
        return ""


def amqp(port: int, *, host: str = "127.0.0.1") -> bool:
    """Open with the AMQP 0-9-1 header; a method frame must come back."""
    return _ask(host, port, b"AMQP\x00\x00\x09\x01", 1) == b"\x01"


def kafka(port: int, *, host: str = "127.0.0.1") -> bool:
    """Send a Metadata request, version 4, for no topics; at least one broker must be listed."""
    client = b"\x00\x05anymq"
    body = struct.pack(">hhi", 3, 4, 1) + client + struct.pack(">ib", 0, 0)
    reply = _ask(host, port, struct.pack(">i", len(body)) + body, 16)
    return len(reply) == 16 and struct.unpack(">i", reply[12:16])[0] >= 1


def postgres(port: int, *, host: str = "127.0.0.1") -> bool:
    """Begin a session; a server that is starting up answers with an error instead of a question."""
    body = struct.pack(">i", 196608) + b"user\0anymq\0database\0anymq\0\0"
    return _ask(host, port, struct.pack(">i", len(body) + 4) + body, 1) == b"R"


def management(port: int) -> bool:
    """Fetch RabbitMQ's overview over HTTP as guest."""
    token = base64.b64encode(b"guest:guest").decode("ascii")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_LIMIT_S)
    try:
        connection.request("GET", "/api/overview", headers={"Authorization": f"Basic {token}"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listens(port: int, *, host: str) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_LIMIT_S):
            return True
    except OSError:
        return False


def _ask(host: str, port: int, question: bytes, size: int) -> bytes:
    """Return up to `size` bytes of the reply; fewer when the server hangs up, errs or is slow."""
    reply = b""
    try:
        with socket.create_connection((host, port), timeout=_LIMIT_S) as connection:
            connection.settimeout(_LIMIT_S)
            connection.sendall(question)
            while len(reply) < size:
                piece = connection.recv(size - len(reply))
                if not piece:
                    break
                reply += piece
    except OSError:
        return reply
    return reply


def _address(parts: SplitResult) -> tuple[str, int]:
    """Return host and port of a URL; a list of Kafka brokers gives its first."""
    first = parts.netloc.rpartition("@")[2].split(",")[0]
    host, colon, port = first.rpartition(":")
    if not colon or not port.isdigit():
        return first or "127.0.0.1", _DEFAULT_PORTS.get(parts.scheme, 0)
    return host.strip("[]") or "127.0.0.1", int(port)
