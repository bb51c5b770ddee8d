"""Ports for our servers."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping, Sequence

from services.errors import ServiceError

__all__ = ["are_free", "choose"]

# Below the range from which Linux takes the ports of outgoing connections (32768 up): else, while
# a server is down, a client of somebody else could sit on its port, or connect to itself.
_FIRST, _LAST = 20_000, 31_999
_TRIES = 200


def choose(names: Sequence[str]) -> dict[str, int]:
    """Return a free loopback port per name, all different.

    Raises:
        ServiceError: no free ports were found.
    """
    held: list[socket.socket] = []
    try:
        for port in random.sample(range(_FIRST, _LAST), _TRIES):
            if len(held) == len(names):
                break
            if (bound := _bind(port)) is not None:
                held.append(bound)
        if len(held) < len(names):
            raise ServiceError(f"no free port between {_FIRST} and {_LAST}")
        return {name: s.getsockname()[1] for name, s in zip(names, held, strict=True)}
    finally:
        for bound in held:
            bound.close()


def are_free(ports: Mapping[str, int]) -> bool:
    """Tell whether every one of `ports` could be listened on now."""
    for port in ports.values():
        bound = _bind(port)
        if bound is None:
            return False
        bound.close()
    return True


def _bind(port: int) -> socket.socket | None:
    candidate = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        candidate.bind(("127.0.0.1", port))
    except OSError:
        candidate.close()
        return None
    return candidate
