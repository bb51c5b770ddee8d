"""TaskRunner: submits jobs and runs workers, on our own Broker or on another engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from anymq.abc.context import EventSink
from anymq.abc.job_store import JobRecord
from anymq.capabilities import Capabilities
from anymq.message import Message
from anymq.outcome import SendResult

__all__ = ["TaskHandler", "TaskRunner", "WorkerOptions"]

TaskHandler = Callable[[Message], Awaitable[bytes]]
"""Runs one job from its encoded arguments and returns its encoded result."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What one worker serves: which queues, and how many jobs at once."""

    queues: tuple[str, ...] = ("default",)
    concurrency: int = 1
    grace_s: float = 30.0


class TaskRunner(ABC):
    """Jobs as messages with a name and a result contract. Nothing here blocks the loop."""

    @abstractmethod
    async def open(self, events: EventSink) -> Capabilities:
        """As ``Broker.open``."""

    @abstractmethod
    async def submit(self, jobs: Sequence[Message], *, timeout_s: float) -> Sequence[SendResult]:
        """Store jobs; results as ``Broker.send``. The job's id is the message's id."""

    @abstractmethod
    async def state(self, ids: Sequence[str]) -> Sequence[JobRecord | None]:
        """The jobs' records; None for unknown ids."""

    @abstractmethod
    async def wait(self, ids: Sequence[str], *, timeout_s: float) -> Sequence[JobRecord | None]:
        """As ``state``, once all are in a terminal state or the time is up."""

    @abstractmethod
    async def revoke(self, ids: Sequence[str]) -> Sequence[bool]:
        """Prevent jobs that have not begun; per id whether it will certainly not run."""

    @abstractmethod
    async def worker(self, registry: Mapping[str, TaskHandler], options: WorkerOptions) -> None:
        """Serve jobs until cancelled; then drain for ``grace_s`` and return the rest."""

    @abstractmethod
    async def aclose(self, *, timeout_s: float) -> None:
        """Close the connection. Idempotent."""
