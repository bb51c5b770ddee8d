"""The JobStore on SQL databases, through SQLAlchemy (extra ``anymq[sql]``)."""

from __future__ import annotations

__all__: list[str] = []
