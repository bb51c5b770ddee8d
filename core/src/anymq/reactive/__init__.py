"""Streams and reactivex (``anymq[reactive]``), with real back-pressure where they meet.

reactivex pushes and has no back-pressure of its own. Here the source waits: what pushes from an
async iterable (``app.stream(...).observable()``, ``from_async_iterable``) takes the next item only
when ``map_async`` and ``to_async_iterable`` downstream have room for it. Synchronous operators
between them (map, filter, scan, buffer ...) change nothing about that; operators that go through
a scheduler (observe_on, delay, debounce ...) hide it, and are bounded by ``max_waiting`` instead.
"""

from __future__ import annotations

from anymq.reactive.iterating import to_async_iterable
from anymq.reactive.mapping import map_async
from anymq.reactive.observing import from_async_iterable

__all__ = ["from_async_iterable", "map_async", "to_async_iterable"]
