"""Every error AnyMQ raises.

AnyMQError
├── ConfigError            wrong or missing configuration, or a mistake in a declaration
├── PluginError            a plugin is missing, broken or doubled
├── UnsupportedError       the backend cannot do what the application uses
├── TopologyError          a topic or group is not as declared
├── PublishRejected        certainly not stored (not_found, no_group, invalid, denied)
│   ├── MessageTooLarge    (too_large)
│   └── BufferFull         (full)
├── PublishUnknown         may be stored; was repeated until its time was up
├── BackendUnavailable     transient: the backend cannot be reached
├── AccessDenied           fatal: credentials or permissions
├── DecodeError            permanent: the bytes are not what the handler declared
├── InvalidState           a call in the wrong state
├── ClosedError            a call after close
├── Busy                   somebody else holds it; try later
├── BatchFailed            raised by batch handlers: which members failed
├── JobFailed              the task raised; its error as data
├── JobTimeout             no result in time (also a TimeoutError)
├── RequestFailed          whoever was asked gave the request up; the error as data
└── RequestTimeout         no reply in time (also a TimeoutError)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

__all__ = [
    "AccessDenied",
    "AnyMQError",
    "BackendUnavailable",
    "BatchFailed",
    "BufferFull",
    "Busy",
    "ClosedError",
    "ConfigError",
    "DecodeError",
    "ErrorClass",
    "InvalidState",
    "JobFailed",
    "JobTimeout",
    "MessageTooLarge",
    "PluginError",
    "PublishRejected",
    "PublishUnknown",
    "RequestFailed",
    "RequestTimeout",
    "TopologyError",
    "UnsupportedError",
    "classify",
]

ErrorClass = Literal["transient", "permanent", "fatal"]


class AnyMQError(Exception):
    """Root of all errors. ``code`` is stable and portable; the text is for people."""

    code: str = "error"
    error_class: ErrorClass = "transient"


class ConfigError(AnyMQError):
    """Configuration or a declaration is wrong; the text names the key and what would be right."""

    code = "config"
    error_class: ErrorClass = "fatal"


class PluginError(AnyMQError):
    """A plugin is missing, cannot be imported, or two claim one name."""

    code = "plugin"
    error_class: ErrorClass = "fatal"


class UnsupportedError(AnyMQError):
    """The application uses what the backend cannot do; raised at start, never at a message."""

    code = "unsupported"
    error_class: ErrorClass = "fatal"


class TopologyError(AnyMQError):
    """A topic or group is missing, or differs from its declaration."""

    code = "topology"
    error_class: ErrorClass = "fatal"


class PublishRejected(AnyMQError):
    """The message is certainly not stored.

    ``code`` is one of not_found, no_group, too_large, invalid, full, denied.
    """

    code = "rejected"
    error_class: ErrorClass = "permanent"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class MessageTooLarge(PublishRejected):
    """The encoded body is larger than the backend takes; never retried."""

    def __init__(self, size_bytes: int, max_bytes: int, topic: str) -> None:
        super().__init__(
            "too_large",
            f"a message of {size_bytes} bytes for {topic!r} is over the limit of {max_bytes} bytes"
            " (max_message_bytes): send a reference to the data, or raise the backend's limit",
        )
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class BufferFull(PublishRejected):
    """The publisher's window, or the backend's buffer, is full."""

    error_class: ErrorClass = "transient"

    def __init__(self, message: str) -> None:
        super().__init__("full", message)


class PublishUnknown(AnyMQError):
    """The backend did not confirm in time. May be stored; may be repeated with ``message_id``."""

    code = "unknown"

    def __init__(self, message_id: str, message: str) -> None:
        super().__init__(message)
        self.message_id = message_id


class BackendUnavailable(AnyMQError):
    """The backend cannot be reached, or does not answer in time."""

    code = "unavailable"


class AccessDenied(AnyMQError):
    """The backend refused the credentials or the operation."""

    code = "denied"
    error_class: ErrorClass = "fatal"


class DecodeError(AnyMQError):
    """The bytes are not what the handler declared; the text never holds the bytes."""

    code = "decode"
    error_class: ErrorClass = "permanent"


class InvalidState(AnyMQError):
    """The call is not possible in this state."""

    code = "invalid_state"


class ClosedError(AnyMQError):
    """The object was closed."""

    code = "closed"


class Busy(AnyMQError):
    """Somebody else holds what was asked for."""

    code = "busy"


class BatchFailed(AnyMQError):
    """Raised by a batch handler: the members at these indices failed, the rest are done."""

    code = "batch_failed"

    def __init__(self, failures: Mapping[int, BaseException]) -> None:
        super().__init__(f"{len(failures)} member(s) of the batch failed")
        self.failures = dict(failures)


class JobFailed(AnyMQError):
    """The task ended with an error; its type and text came back as data."""

    code = "job_failed"
    error_class: ErrorClass = "permanent"

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type


class JobTimeout(AnyMQError, TimeoutError):
    """No result came in time; the job itself is not affected."""

    code = "job_timeout"


class RequestFailed(AnyMQError):
    """The request's handler failed for good; the type and text of its error came as data."""

    code = "request_failed"
    error_class: ErrorClass = "permanent"

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message


class RequestTimeout(AnyMQError, TimeoutError):
    """No reply came in time. Whether the request was handled is not known."""

    code = "request_timeout"


def classify(error: BaseException) -> ErrorClass:
    """Transient: try again. Permanent: dead letter at once. Fatal: the consumer stops."""
    return error.error_class if isinstance(error, AnyMQError) else "transient"
