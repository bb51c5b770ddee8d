"""The arguments of a quorum queue on a server of any version."""

from __future__ import annotations

from pamqp.common import FieldTable

__all__ = ["quorum_arguments", "version_of"]

_LIMITED_SINCE = (4, 0)
"""From this version on quorum queues drop a message after 20 returns, unless told otherwise. Older
ones take the number that tells them for a limit of zero."""


def quorum_arguments(server_version: str) -> FieldTable:
    """A quorum queue that drops nothing, however often it comes back."""
    arguments: FieldTable = {"x-queue-type": "quorum"}
    if version_of(server_version) >= _LIMITED_SINCE:
        arguments["x-delivery-limit"] = -1
    return arguments


def version_of(text: str) -> tuple[int, ...]:
    """The first two numbers of a version; empty for what is none."""
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
