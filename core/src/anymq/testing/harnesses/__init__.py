"""Harnesses of the backends that come with AnyMQ, and one for any server with a control command."""

from __future__ import annotations

__all__: list[str] = []
