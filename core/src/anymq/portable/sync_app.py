"""SyncApp: the application for plain functions. Every call blocks, and every call has a limit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, Self, TypeVar

from anymq.errors import InvalidState
from anymq.outcome import SendResult

if TYPE_CHECKING:
    from anymq.app import App

__all__ = ["SyncApp"]

ResultT = TypeVar("ResultT")
START_S = 60.0
MARGIN_S = 1.0


class SyncApp:
    """``with app.sync as s`` runs the App in a thread of its own, for scripts.

    Inside a plain handler the App runs already: use ``app.sync.publish(...)`` without ``with``.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._forget()
        self._thread = threading.Thread(target=self._run, name="anymq-sync", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_S):
            raise TimeoutError(f"the application did not start within {START_S:.0f} s")
        if self._error is not None:
            self._thread.join(MARGIN_S)
            raise self._error
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(START_S)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop on which the App runs. For core: called at start."""
        self._loop = loop

    def publish(self, topic: str, body: Any, *, timeout_s: float = 10.0, **options: Any) -> str:
        """As ``App.publish``."""
        return self._call(self._app.publish(topic, body, timeout_s=timeout_s, **options), timeout_s)

    def publish_many(
        self, topic: str, bodies: Iterable[Any], *, timeout_s: float = 10.0, **options: Any
    ) -> list[SendResult]:
        """As ``App.publish_many``."""
        work = self._app.publish_many(topic, bodies, timeout_s=timeout_s, **options)
        return self._call(work, timeout_s)

    def request(self, topic: str, body: Any, *, timeout_s: float = 10.0, **options: Any) -> Any:
        """As ``App.request``."""
        return self._call(self._app.request(topic, body, timeout_s=timeout_s, **options), timeout_s)

    def run(self, work: Coroutine[Any, Any, ResultT], *, timeout_s: float = 10.0) -> ResultT:
        """Await anything of the application: ``s.run(task.submit(1))``, ``s.run(job.result(5))``.

        Raises what it raises, and TimeoutError when it takes longer.
        """
        return self._call(work, timeout_s)

    def _call(self, work: Coroutine[Any, Any, ResultT], timeout_s: float) -> ResultT:
        loop = self._loop
        if loop is None or loop.is_closed():
            work.close()
            raise InvalidState("the application is not running: use 'with app.sync as s'")
        if _runs_here(loop):
            work.close()
            raise InvalidState("app.sync would block its own event loop here: await app.publish")
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result(timeout_s + MARGIN_S)
        except FutureTimeout:
            future.cancel()
            raise TimeoutError(f"no answer from the application within {timeout_s:.3g} s") from None

    def _forget(self) -> None:
        self._ready.clear()
        self._error = None

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with self._app:
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await self._stop.wait()


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
