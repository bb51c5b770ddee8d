"""AnyMQ: one application, any broker."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from anymq.app import App
from anymq.errors import (
    AccessDenied,
    AnyMQError,
    BackendUnavailable,
    BatchFailed,
    BufferFull,
    Busy,
    ClosedError,
    ConfigError,
    DecodeError,
    InvalidState,
    JobFailed,
    JobTimeout,
    MessageTooLarge,
    PluginError,
    PublishRejected,
    PublishUnknown,
    RequestFailed,
    RequestTimeout,
    TopologyError,
    UnsupportedError,
)
from anymq.message import Delivery, Message
from anymq.outcome import Ack, Confirmed, DeadLetter, Outcome, Rejected, Release, Retry, Unknown
from anymq.pipeline.context import Context
from anymq.retry import RetryPolicy
from anymq.router import Router

if TYPE_CHECKING:
    from anymq.streams.starts import EARLIEST, LATEST, after, at
    from anymq.tasks.compose import chain, gather
    from anymq.tasks.current import CurrentJob
    from anymq.tasks.job import Job

__all__ = [
    "EARLIEST",
    "LATEST",
    "AccessDenied",
    "Ack",
    "AnyMQError",
    "App",
    "BackendUnavailable",
    "BatchFailed",
    "BufferFull",
    "Busy",
    "ClosedError",
    "ConfigError",
    "Confirmed",
    "Context",
    "CurrentJob",
    "DeadLetter",
    "DecodeError",
    "Delivery",
    "InvalidState",
    "Job",
    "JobFailed",
    "JobTimeout",
    "Message",
    "MessageTooLarge",
    "Outcome",
    "PluginError",
    "PublishRejected",
    "PublishUnknown",
    "Rejected",
    "Release",
    "RequestFailed",
    "RequestTimeout",
    "Retry",
    "RetryPolicy",
    "Router",
    "TopologyError",
    "Unknown",
    "UnsupportedError",
    "after",
    "at",
    "chain",
    "gather",
]

_HOMES = {
    **dict.fromkeys(("EARLIEST", "LATEST", "after", "at"), "anymq.streams.starts"),
    **dict.fromkeys(("chain", "gather"), "anymq.tasks.compose"),
    "CurrentJob": "anymq.tasks.current",
    "Job": "anymq.tasks.job",
}


def __getattr__(name: str) -> Any:
    """Import what streams and tasks need when it is first used, for those who use none."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'anymq' has no attribute {name!r}")
