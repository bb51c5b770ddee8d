"""The hooks of AnyMQ. All are synchronous and called at start, never per message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from anymq.plugins.descriptor import BackendDescriptor

__all__ = ["BACKEND_PROJECT", "BackendHooks", "ExtensionHooks", "hookimpl", "hookspec"]

BACKEND_PROJECT = "anymq"
hookspec = pluggy.HookspecMarker(BACKEND_PROJECT)
hookimpl = pluggy.HookimplMarker(BACKEND_PROJECT)


class BackendHooks:
    """Hooks of the entry-point group ``anymq.plugins`` (one entry per URL scheme)."""

    @hookspec
    def anymq_backends(self) -> Iterable[BackendDescriptor]:  # type: ignore[empty-body]
        """Yield the backends of this plugin. Imports no client library and connects to nothing."""


class ExtensionHooks:
    """Hooks of the entry-point group ``anymq.extensions``."""

    @hookspec
    def anymq_codecs(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[empty-body]
        """Further codecs: name to factory."""

    @hookspec
    def anymq_middleware(self) -> Iterable[Any]:  # type: ignore[empty-body]
        """Middleware for every subscriber, outermost first."""

    @hookspec
    def anymq_commands(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Further commands of the command line: name to typer application."""

    @hookspec
    def anymq_health_checks(self) -> Mapping[str, Callable[[], Any]]:  # type: ignore[empty-body]
        """Further health checks: name to a function returning a Health or an awaitable of one."""
