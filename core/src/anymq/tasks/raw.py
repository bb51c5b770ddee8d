"""JSON inside JSON, kept as it came."""

from __future__ import annotations

import msgspec

__all__ = ["NOTHING", "bytes_of", "raw"]

NOTHING = msgspec.Raw(b"")
"""A field that is left out; msgspec reads no optional Raw."""


def raw(data: bytes | None) -> msgspec.Raw:
    """Encoded JSON as a field of other JSON."""
    return NOTHING if data is None else msgspec.Raw(data)


def bytes_of(field: msgspec.Raw) -> bytes | None:
    """A field's JSON; None where it was left out."""
    return bytes(field) or None
