"""What goes through the pipe between a worker and a process of its pool: JSON in frames."""

from __future__ import annotations

import msgspec

from anymq.tasks.raw import NOTHING

__all__ = ["HEAD", "MAX_FRAME", "Answer", "Hello", "Work", "frame", "read_answer", "read_hello"]

HEAD = 4
"""Bytes of length before each frame, big-endian."""
MAX_FRAME = 1 << 30


class Hello(msgspec.Struct):
    """The first frame to a child: how to import what the worker imported."""

    sys_path: list[str]
    main_path: str | None


class Work(msgspec.Struct):
    """One call."""

    function: str
    """``module:qualname`` of the task."""
    job: str
    task: str
    attempt: int
    correlation_id: str
    arguments: dict[str, msgspec.Raw]


class Answer(msgspec.Struct, omit_defaults=True):
    """What a child tells: ready, progress, or how the call ended."""

    kind: str
    """ready, progress, done, failed, or an outcome: ack, retry, release, dead_letter."""
    value: msgspec.Raw = NOTHING
    """Progress or result."""
    error: msgspec.Raw = NOTHING
    error_class: str = "transient"
    """What the task's retry policy says of the error."""
    delay_s: float | None = None
    reason: str = ""


_write = msgspec.json.Encoder().encode
read_answer = msgspec.json.Decoder(Answer).decode
read_hello = msgspec.json.Decoder(Hello).decode


def frame(content: Hello | Work | Answer) -> bytes:
    """Length and content."""
    body = _write(content)
    return len(body).to_bytes(HEAD, "big") + body
