"""A piece of work on its way to the writer's thread, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from anymq.errors import AnyMQError
from anymq_sqlite.session import Session

__all__ = ["Request", "nothing", "probe"]

T = TypeVar("T")


class Request(Generic[T]):
    """Carried out in a transaction, perhaps more than once; its work changes nothing but the file.

    One with ``may_have`` takes something: its work gives None while there is nothing. If it
    ``waits`` it is parked then, and tried again when one of its ``keys`` was touched, when its
    clock reaches ``due``, or when another process wrote.
    """

    __slots__ = (
        "due",
        "is_cancelled",
        "is_durable",
        "is_hot",
        "keys",
        "may_have",
        "now",
        "on_done",
        "waits",
        "work",
        "writes",
    )

    def __init__(
        self,
        work: Callable[[Session], T | None],
        *,
        on_done: Callable[[T | None, AnyMQError | None], None],
        writes: bool = True,
        is_durable: bool = True,
        waits: bool = False,
        keys: frozenset[int] = frozenset(),
        may_have: Callable[[Session], tuple[bool, float | None]] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.work = work
        self.on_done = on_done
        """Called in the writer's thread, once, unless cancelled before it began."""
        self.writes = writes
        self.is_durable = is_durable
        """Whether its commit must be on the disk; else that comes with the next one that must."""
        self.waits = waits
        self.keys = keys
        self.may_have = may_have
        """Looks, without a lock, whether the work would give something, and when at the latest."""
        self.due: float | None = None
        self.now = now
        """The clock that ``due`` is of."""
        self.is_hot = True
        """To be tried in the next turn."""
        self.is_cancelled = False
        """Set on the loop: nobody waits any more."""

    def __repr__(self) -> str:
        return f"Request({getattr(self.work, '__qualname__', self.work)!s})"


def probe(session: Session) -> None:
    """The least that writes."""
    session.execute("UPDATE meta SET value = value WHERE name = 'schema'")


def nothing(_value: object, _failure: object) -> None:
    """Nobody is told of a look."""
