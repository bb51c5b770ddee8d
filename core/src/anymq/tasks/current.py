"""CurrentJob: what a running task can ask and tell about itself."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CURRENT", "CurrentJob"]


@dataclass(slots=True, eq=False)
class CurrentJob:
    """Annotate a parameter of a task with it to get the running job."""

    id: str
    task: str
    attempt: int
    """1 at first, and one more for each call that failed."""
    correlation_id: str = ""
    is_ended: bool = False
    """Revoked, timed out, or no longer this worker's: a task in a thread should return."""
    _report: Callable[[Any], None] = field(default=lambda value: None, repr=False)

    def report(self, value: Any) -> None:
        """Tell how far it is; ``job.progress()`` gives the last value. Any thread, never waits."""
        if not self.is_ended:
            self._report(value)


CURRENT: ContextVar[CurrentJob | None] = ContextVar("anymq_current_job", default=None)
"""The job whose task runs here: jobs that it submits carry its correlation."""
