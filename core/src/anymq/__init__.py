"""AnyMQ: one application, any broker."""

from __future__ import annotations

from anymq.abc.stream import EARLIEST, LATEST
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
    TopologyError,
    UnsupportedError,
)
from anymq.message import Delivery, Message
from anymq.outcome import Ack, Confirmed, DeadLetter, Outcome, Rejected, Release, Retry, Unknown
from anymq.pipeline.context import Context
from anymq.retry import RetryPolicy
from anymq.router import Router
from anymq.streams.starts import after, at

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
    "DeadLetter",
    "DecodeError",
    "Delivery",
    "InvalidState",
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
    "Retry",
    "RetryPolicy",
    "Router",
    "TopologyError",
    "Unknown",
    "UnsupportedError",
    "after",
    "at",
]
