"""The admin client with an owner: whoever keeps a reference, closing it lets go of its sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from confluent_kafka.admin import AdminClient

from anymq.errors import ClosedError
from anymq.support.thread_bridge import OwnedThread, ThreadBridge
from anymq_kafka.client_config import Properties

__all__ = ["Admin"]

T = TypeVar("T")


class Admin:
    """Holds the only reference to an ``AdminClient``, which has no close of its own."""

    def __init__(self, properties: Properties, *, name: str, bridge: ThreadBridge) -> None:
        self._client: AdminClient | None = AdminClient(properties)
        self._name = name
        self._bridge = bridge

    @property
    def api(self) -> AdminClient:
        """The client, for one call: do not keep it. Raises ClosedError after close."""
        if self._client is None:
            raise ClosedError("this connection to Kafka is closed")
        return self._client

    async def in_thread(self, call: Callable[[], T], *, timeout_s: float) -> T:
        """Make a call that blocks, in a thread of its own that lives for it.

        Raises what the call raises, or TimeoutError; the thread ends when the call does.
        """
        found: list[T] = []
        failed: list[Exception | None] = []
        thread = OwnedThread(
            lambda: found.append(call()),
            name=self._name,
            bridge=self._bridge,
            on_end=failed.append,
        )
        thread.start()
        await thread.join(timeout_s=timeout_s)
        if failed and failed[0] is not None:
            raise failed[0]
        if not found:
            raise TimeoutError(f"no answer in {timeout_s} s")
        return found[0]

    async def aclose(self, *, timeout_s: float) -> None:
        """Let go, in a thread, because the library joins its own threads then. Idempotent."""
        client, self._client = self._client, None
        if client is None:
            return
        held = [client]
        del client
        thread = OwnedThread(held.clear, name=self._name, bridge=self._bridge)
        thread.start()
        await thread.join(timeout_s=timeout_s)
