"""JobStore: where the state and result of every job live. The truth, whoever is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["TERMINAL_STATES", "JobRecord", "JobState", "JobStore"]

JobState = Literal["queued", "running", "succeeded", "failed", "revoked", "expired"]

TERMINAL_STATES: frozenset[str] = frozenset({"succeeded", "failed", "revoked", "expired"})


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job. ``version`` rises with every change and guards compare-and-set."""

    id: str
    state: JobState
    version: int
    result: bytes | None = None
    error: bytes | None = None
    """The error as data (JSON: type, message, optional stack), never a pickle."""
    progress: bytes | None = None
    expires_at: float | None = None


class JobStore(ABC):
    """States, results and ids of jobs. Calls are bounded by the options' request timeout."""

    @abstractmethod
    async def open(self) -> None:
        """Connect and make the schema. Raises BackendUnavailable, AccessDenied."""

    @abstractmethod
    async def create(self, records: Sequence[JobRecord]) -> Sequence[bool]:
        """Store new jobs; per record whether it is new (False: the id exists, nothing changed)."""

    @abstractmethod
    async def get(self, ids: Sequence[str]) -> Sequence[JobRecord | None]:
        """The records in order; None for an id that is unknown or expired."""

    @abstractmethod
    async def replace(self, record: JobRecord, *, expected_version: int) -> bool:
        """Compare-and-set; False when somebody was faster. A terminal state is never replaced."""

    @abstractmethod
    async def claim_tick(self, schedule: str, tick: str, *, ttl_s: float) -> bool:
        """True for exactly one caller per (schedule, tick)."""

    @abstractmethod
    async def changed(self, ids: Sequence[str], *, wait_s: float) -> Sequence[str]:
        """Wait until one of the jobs changes (pushed where possible); the ids that did, or none."""

    @abstractmethod
    async def aclose(self, *, timeout_s: float) -> None:
        """Close the connection. Idempotent."""
