"""What is known of a job besides its state: kept in its record's ``progress``, as JSON."""

from __future__ import annotations

import hashlib

import msgspec

from anymq.abc.job_store import JobRecord
from anymq.tasks.raw import NOTHING

__all__ = ["JobFacts", "digest_of", "facts_of"]


class JobFacts(msgspec.Struct, omit_defaults=True):
    """Moments are seconds since the epoch."""

    task: str = ""
    queue: str = ""
    digest: str = ""
    """Of the arguments: whether a second submission asks for the same."""
    submitted_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    due_at: float | None = None
    attempt: int = 0
    """Calls begun so far, the running one included."""
    message: str | None = None
    """The message that this job is bound to: copies of it that others sent are void."""
    keep_result: bool = True
    progress: msgspec.Raw = NOTHING
    """What the task itself reported last."""

    def pack(self) -> bytes:
        """As bytes for a record."""
        return _write(self)


_write = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(JobFacts).decode


def facts_of(record: JobRecord) -> JobFacts:
    """What the record holds; none for a record that somebody else made."""
    try:
        return _read(record.progress or b"{}")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return JobFacts()


def digest_of(body: bytes) -> str:
    """Short, and the same for the same body."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()
