"""Delays: a ladder of queues, each of which holds a message for 2^n seconds.

A delay is written in binary, one routing-key word per level, most significant first. Level n keeps
a message whose word is 1 until its queue's TTL ends and dead-letters it, at least once, to the
next level; a word 0 passes straight on. What falls off the last level reaches the destination,
whose name is the rest of the routing key. Every message of a queue has the same TTL, so none waits
behind a later one. The ladder belongs to the virtual host; all namespaces share it.
"""

from __future__ import annotations

import math

from aiormq.channel import Channel

from anymq.outcome import Rejected

__all__ = [
    "LADDER_DONE",
    "LADDER_END",
    "MAX_DELAY_S",
    "bind_destination",
    "bind_exchange",
    "declare_ladder",
    "first_step",
    "rung",
]

_LEVELS = 25
MAX_DELAY_S = 2**_LEVELS - 1
"""388 days."""

_HOP_MARGIN_MS = 1
"""Added to a level's TTL: the server keeps moments in whole milliseconds, rounded down."""

LADDER_END = "anymq.delay.end"
"""The exchange to which destinations are bound."""

LADDER_DONE = "anymq.delay.done"
"""An exchange that is made last: where it is, all levels are."""

_SINK = "anymq.delay.sink"
"""Takes a copy of everything and keeps nothing: a destination that was removed must not leave its
messages on the last level, which would try to hand them on for ever."""


def rung(level: int) -> str:
    """The name of a level's exchange and of its queue."""
    return f"anymq.delay.{level}"


def first_step(delay_s: float, destination: str) -> tuple[str, str] | Rejected:
    """Exchange and routing key for a message that is due at ``destination`` in ``delay_s``.

    Whole seconds, rounded up: never early, late by less than one second and the hops.
    """
    seconds = max(1, math.ceil(delay_s))
    if seconds > MAX_DELAY_S:
        return Rejected("invalid", f"a delay of {seconds} s is over the limit of {MAX_DELAY_S} s")
    words = ".".join(format(seconds, f"0{_LEVELS}b"))
    return rung(seconds.bit_length() - 1), f"{words}.{destination}"


async def bind_destination(channel: Channel, queue: str, destination: str) -> None:
    """Let ``queue`` receive what the ladder carries for ``destination``. Idempotent."""
    await channel.queue_bind(queue, LADDER_END, "*." * _LEVELS + destination)


async def bind_exchange(channel: Channel, exchange: str, destination: str) -> None:
    """As ``bind_destination``, for all that is bound to an exchange."""
    await channel.exchange_bind(exchange, LADDER_END, "*." * _LEVELS + destination)


async def declare_ladder(channel: Channel) -> None:
    """Make all levels. Idempotent; about a quarter of a second the first time."""
    await channel.exchange_declare(LADDER_END, exchange_type="topic", durable=True)
    await channel.queue_declare(_SINK, durable=True, arguments={"x-max-length": 0})
    await channel.queue_bind(_SINK, LADDER_END, "#")
    for level in range(_LEVELS):
        await _declare_level(channel, level)
    await channel.exchange_declare(LADDER_DONE, exchange_type="fanout", durable=True)


async def _declare_level(channel: Channel, level: int) -> None:
    name = rung(level)
    following = rung(level - 1) if level else LADDER_END
    words_before = "*." * (_LEVELS - 1 - level)
    await channel.exchange_declare(name, exchange_type="topic", durable=True)
    await channel.queue_declare(
        name,
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-message-ttl": 2**level * 1000 + _HOP_MARGIN_MS,
            "x-dead-letter-exchange": following,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",  # at-least-once demands it
        },
    )
    await channel.queue_bind(name, name, f"{words_before}1.#")
    await channel.exchange_bind(following, name, f"{words_before}0.#")
