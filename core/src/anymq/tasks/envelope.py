"""What travels: a job as a message's body, and the end of one as a reply's. JSON, whatever codec.

A job is ``{"task": "shop.total", "arguments": {"day": "2026-11-24"}}``, so a foreign client can
submit one; all the rest is optional.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from anymq.abc.job_store import JobState
from anymq.errors import DecodeError
from anymq.tasks.raw import NOTHING

__all__ = [
    "Ending",
    "JobEnvelope",
    "Link",
    "Order",
    "pack",
    "read_ending",
    "read_job",
    "read_order",
]

T = TypeVar("T")


class Link(msgspec.Struct, omit_defaults=True):
    """A later job of a chain: it gets the result of the one before as its argument ``first``."""

    task: str
    job: str
    queue: str
    first: str
    arguments: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    keep_result: bool = True


class JobEnvelope(msgspec.Struct, omit_defaults=True):
    """One call of a task, on its way to a worker."""

    task: str
    arguments: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    job: str | None = None
    """The job's id, where it is not the message's."""
    expires_at: float | None = None
    """Not to be begun from this moment on (epoch seconds)."""
    keep_result: bool = True
    then: list[Link] = msgspec.field(default_factory=list)


class Ending(msgspec.Struct, omit_defaults=True):
    """How a job ended; the body of the reply to whoever submitted it."""

    job: str
    state: JobState
    result: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING
    is_whole: bool = True
    """Whether result and error are in here; else they are in the store alone."""


class Order(msgspec.Struct):
    """What workers are told."""

    revoke: list[str]


pack = msgspec.json.Encoder().encode
_job = msgspec.json.Decoder(JobEnvelope)
_ending = msgspec.json.Decoder(Ending)
_order = msgspec.json.Decoder(Order)


def read_job(body: bytes) -> JobEnvelope:
    """Raises DecodeError."""
    return _read(_job, body, "a job")


def read_ending(body: bytes) -> Ending:
    """Raises DecodeError."""
    return _read(_ending, body, "the end of a job")


def read_order(body: bytes) -> Order:
    """Raises DecodeError."""
    return _read(_order, body, "an order to workers")


def _read(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # the error's text and context may hold parts of the body
    raise DecodeError(f"{len(body)} bytes are not {what} (JSON with at least a task's name)")
