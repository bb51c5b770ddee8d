"""What retention took from a reader, where its driver can tell."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from anymq.abc import StreamReader

__all__ = ["TellsLoss", "lost_by"]


@runtime_checkable
class TellsLoss(Protocol):
    """A StreamReader that counts what it had to pass over."""

    @property
    def lost(self) -> int:
        """Records that retention removed between where this reader was and where it went on.

        Counted from its opening on, and never falling. Nothing is lost to a reader from the
        earliest record, from a moment, or from the latest, before it has read a record.
        """
        ...


def lost_by(reader: StreamReader) -> int:
    """How many records were lost to a reader since it opened; 0 where nobody counts."""
    return reader.lost if isinstance(reader, TellsLoss) else 0
