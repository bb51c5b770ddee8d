"""How topics, groups and their companions are called on RabbitMQ."""

from __future__ import annotations

from anymq.errors import ConfigError
from anymq.outcome import Rejected

__all__ = [
    "CATALOG",
    "MAX_NAME_BYTES",
    "check_length",
    "group_queue",
    "position_queue",
    "too_long",
]

CATALOG = "anymq.catalog"
"""The stream in which declarations are noted, because AMQP cannot list what exists."""

MAX_NAME_BYTES = 200
"""AMQP allows 255; the delay ladder puts a destination's name behind 50 bytes of routing key."""


def group_queue(topic: str, group: str) -> str:
    """The queue of a group without order; its retries wait in it too, where no other sees them."""
    return f"{topic}.{group}"


def position_queue(stream: str, group: str) -> str:
    """The queue that keeps where a group is in a stream."""
    return f"{stream}.{group}.position"


def check_length(name: str) -> str:
    """Return a physical name, or raise ConfigError when RabbitMQ could not route by it."""
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ConfigError(
            f"{name!r} is too long for RabbitMQ: with its namespace and group a topic's name has"
            f" at most {MAX_NAME_BYTES} bytes"
        )
    return name


def too_long(what: str, size_bytes: int, max_bytes: int) -> Rejected:
    """The answer to metadata that AMQP has no room for."""
    return Rejected("invalid", f"the {what} has {size_bytes} bytes, RabbitMQ takes {max_bytes}")
