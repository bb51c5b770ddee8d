"""What a submission may say besides the arguments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict

from anymq.errors import PublishRejected
from anymq.message import Priority
from anymq.support.ids import new_id
from anymq.tasks.queues import check_queue

__all__ = ["IfExists", "Submission", "SubmitOptions", "due_from"]

IfExists = Literal["ignore", "reject"]
MAX_ID = 200


class SubmitOptions(TypedDict, total=False):
    """All optional; see ``Task.submit``."""

    queue: str
    delay_s: float | None
    eta: datetime | None
    expires_s: float | None
    priority: Priority
    keep_result: bool
    job_id: str | None
    if_exists: IfExists
    timeout_s: float
    correlation_id: str | None


@dataclass(slots=True, kw_only=True)
class Submission:
    """Checked options. Raises PublishRejected("invalid") for what cannot be."""

    queue: str
    delay_s: float | None = None
    eta: datetime | None = None
    expires_s: float | None = None
    priority: Priority = "normal"
    keep_result: bool = True
    job_id: str | None = None
    if_exists: IfExists = "ignore"
    timeout_s: float = 10.0
    correlation_id: str | None = None
    lost_after_s: float = 0.0
    """If the job is there, the same, and has not begun so long after its submission, its message is
    sent again: whoever was first may have died before it sent it. A worker runs only one of them.
    For core: schedules, which every instance submits, leave that for later."""

    def __post_init__(self) -> None:
        check_queue(self.queue)
        if self.if_exists not in ("ignore", "reject"):
            raise _invalid(f'if_exists={self.if_exists!r} must be "ignore" or "reject"')
        if self.expires_s is not None and not self.expires_s > 0:
            raise _invalid(f"expires_s={self.expires_s!r} must be more than 0")
        if self.job_id is not None:
            _check_id(self.job_id)

    def new_id(self) -> str:
        """The job's id: the given one, or a new one."""
        return new_id() if self.job_id is None else self.job_id

    def message_options(self, now: float, **more: Any) -> dict[str, Any]:
        """As ``app.publish`` takes them."""
        due = due_from(self.delay_s, self.eta, now)
        return {
            "delay_s": None if due is None else max(0.0, due - now),
            "priority": self.priority,
            "correlation_id": self.correlation_id,
            **more,
        }


def due_from(delay_s: float | None, eta: datetime | None, now: float) -> float | None:
    """The moment (epoch seconds) not before which to run; None for at once."""
    if eta is None:
        return None if delay_s is None or delay_s <= 0 else now + delay_s
    if delay_s is not None:
        raise _invalid("give delay_s or eta, not both")
    if eta.tzinfo is None:
        raise _invalid(f"eta={eta.isoformat()} has no time zone: give it one, such as UTC")
    due = eta.timestamp()
    return due if due > now else None


def _check_id(job_id: object) -> None:
    if not isinstance(job_id, str) or not 1 <= len(job_id) <= MAX_ID or not job_id.isprintable():
        raise _invalid(f"a job_id is 1 to {MAX_ID} printable characters, not {job_id!r:.80}")


def _invalid(message: str) -> PublishRejected:
    return PublishRejected("invalid", message)
