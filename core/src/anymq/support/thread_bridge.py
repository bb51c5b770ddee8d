"""A thread beside the loop, for client libraries that block: owned, batched, ended in time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["OwnedThread", "ThreadBridge"]

_LAST_STEPS_S = 1.0
"""For what a thread does after its last call to the loop: return, within microseconds."""


class ThreadBridge:
    """Carries calls from any thread to one loop, in order; many calls cost one wake-up.

    Nothing is lost between threads: a call made while the loop runs earlier ones comes after them.
    Calls made after the loop closed are dropped.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._is_woken = False

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Have ``function(*args)`` called on the loop soon. Any thread; never blocks or raises."""
        self._calls.append((function, args))
        # Appended before looking: either the running drain takes it, or we wake the loop.
        if not self._is_woken:
            self._is_woken = True
            self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            self._calls.clear()
            self._is_woken = False

    def _drain(self) -> None:
        self._is_woken = False
        try:
            while self._calls:
                function, args = self._calls.popleft()
                function(*args)
        finally:
            if self._calls:  # one raised, and the loop reports it; the others must not wait for it
                self.call(lambda: None)


class OwnedThread:
    """One daemon thread whose end is told on the loop and can be awaited for a limited time.

    ``on_end`` is called on the loop when the thread ends, with the exception that ended it or None.
    """

    def __init__(
        self,
        run: Callable[[], None],
        *,
        name: str,
        bridge: ThreadBridge,
        on_end: Callable[[Exception | None], None] = lambda _error: None,
    ) -> None:
        self._run = run
        self._bridge = bridge
        self._on_end = on_end
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def start(self) -> None:
        """Begin. Once."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it began and has not ended."""
        return self._thread.is_alive()

    def is_current(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.current_thread() is self._thread

    async def join(self, *, timeout_s: float) -> bool:
        """Wait for the end at most that long; False if it still runs (or never began).

        The thread must have been told to stop. Safe to cancel, and to call again.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()
        except TimeoutError:
            return False
        self._thread.join(_LAST_STEPS_S)
        return not self._thread.is_alive()

    def _main(self) -> None:
        error: Exception | None = None
        try:
            self._run()
        except Exception as caught:  # noqa: BLE001  # told to on_end, never dropped
            error = caught
        finally:
            self._bridge.call(self._finish, error)

    def _finish(self, error: Exception | None) -> None:
        self._ended.set()
        self._on_end(error)
