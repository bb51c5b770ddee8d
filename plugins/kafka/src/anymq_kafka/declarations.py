"""What was declared over one connection, so that it can be declared again where it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from anymq_kafka.directory import TopicDirectory

__all__ = ["Declarations", "Declare"]

Declare = Callable[[float], Awaitable[object]]
"""Declares something again, within so many seconds."""


class Declarations:
    """Remembers topics with the calls that made them. Looks only after a connection was lost.

    A topic that somebody deletes while the cluster is up stays deleted: that was meant.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        """``tell`` hears what was gone and is there again."""
        self._tell = tell
        self._declared: dict[frozenset[str], Declare] = {}
        self._is_suspect = False
        self._turn = asyncio.Lock()  # guards looking and declaring: one at a time
        self.generation = 0
        """How often everything was declared again: what began before that reads from nothing."""

    def remember(self, topics: Iterable[str], declare: Declare) -> None:
        """Keep physical names and what makes them."""
        if names := frozenset(topics):
            self._declared[names] = declare

    def suspect(self) -> None:
        """The cluster was out of reach: who knows what it still has."""
        self._is_suspect = bool(self._declared)

    async def restore(self, directory: TopicDirectory, *, timeout_s: float) -> None:
        """Declare again if something is missing since the last look; free while nothing happened.

        Raises what declaring raises; then the next call looks again.
        """
        if not self._is_suspect:
            return
        async with self._turn:
            if self._is_suspect:
                await self._restore(directory, timeout_s)
                self._is_suspect = False

    async def _restore(self, directory: TopicDirectory, timeout_s: float) -> None:
        wanted = frozenset[str]().union(*self._declared)
        directory.forget_all()
        missing = wanted - (await directory.describe(wanted, timeout_s=timeout_s)).keys()
        if not missing:
            return
        for declare in list(self._declared.values()):
            await declare(timeout_s)
        self.generation += 1
        self._tell(f"{len(missing)} topic(s) were gone, as {min(missing)!r}: declared again")
