"""Middleware: one behaviour per file, each a callable that wraps the next."""

from __future__ import annotations

from anymq.middleware.chain import Call, Middleware

__all__ = ["Call", "Middleware"]
