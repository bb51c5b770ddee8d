"""Errors of tasks as data: JSON with type, text and stack, never a pickle."""

from __future__ import annotations

import traceback
from typing import Any

import msgspec

from anymq.errors import AnyMQError, ErrorClass, JobFailed

__all__ = ["ChildLost", "ErrorData", "JobRefused", "RemoteError", "error_data", "job_failed"]

MAX_MESSAGE = 1024
MAX_STACK = 4096
"""Characters of the end, where the cause is."""


class ErrorData(msgspec.Struct, omit_defaults=True):
    """One error, readable by anybody."""

    type: str
    message: str
    stack: str = ""


class JobRefused(AnyMQError):
    """A job that this worker can never run: an unknown task, or arguments that do not fit."""

    error_class: ErrorClass = "permanent"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RemoteError(AnyMQError):
    """A task raised in a process of its own. ``data`` is its error."""

    code = "task_failed"

    def __init__(self, data: ErrorData, error_class: ErrorClass) -> None:
        super().__init__(f"{data.type}: {data.message}")
        self.data = data
        self.error_class = error_class


class ChildLost(AnyMQError):
    """The process that ran a task died again and again; the task is taken for the cause."""

    code = "crash_loop"
    error_class: ErrorClass = "permanent"


_write = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(ErrorData).decode


def error_data(error: BaseException) -> ErrorData:
    """The error as data, every part capped."""
    if isinstance(error, RemoteError):
        return error.data
    stack = "".join(traceback.format_tb(error.__traceback__))
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)
    return ErrorData(name, _text(error)[:MAX_MESSAGE], _clean(stack[-MAX_STACK:]))


def job_failed(data: bytes | msgspec.Raw | None) -> JobFailed:
    """The error to raise for what was stored."""
    try:
        found = _read(data or b"{}")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = ErrorData("UnknownError", "what was stored of the error cannot be read")
    return JobFailed(found.type, found.message)


def _full_name(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _text(error: BaseException) -> str:
    try:
        return _clean(str(error))
    except Exception as problem:  # noqa: BLE001 - an error that fails when it is looked at
        return f"(no text: {type(problem).__name__})"


def _clean(text: str) -> str:
    """Without what UTF-8 cannot carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
