"""The descriptor: all that core must know of a backend before it opens one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anymq.abc import BackendContext, Broker, JobStore, Stream, TaskRunner
from anymq.capabilities import Capabilities
from anymq.options import BackendOptions

__all__ = ["API_VERSION", "BackendDescriptor"]

API_VERSION = 1
"""Version of the narrow interfaces; a plugin made for another one is refused with both numbers."""


@dataclass(frozen=True, slots=True)
class BackendDescriptor:
    """What ``anymq_backends()`` yields. Building one imports no client and connects to nothing.

    A factory gets validated options and the context, and returns the unopened object. None means
    that the backend does not have that role.
    """

    name: str
    """Lower case and unique, equal to the entry point's name or sharing its module."""
    schemes: tuple[str, ...]
    options: type[BackendOptions]
    capabilities: Capabilities
    """What it claims before a server was seen; ``open`` tells what is so."""
    broker: Callable[[Any, BackendContext], Broker] | None = None
    stream: Callable[[Any, BackendContext], Stream] | None = None
    job_store: Callable[[Any, BackendContext], JobStore] | None = None
    task_runner: Callable[[Any, BackendContext], TaskRunner] | None = None
    api_version: int = API_VERSION
    harness: str | None = None
    """``module:Class`` of the conformance kit's harness for it."""
    package: str = ""
    """The distribution to install, for error messages."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Weaker guarantees of emulated capabilities, by name, for the documentation."""
