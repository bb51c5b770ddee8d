"""The inbox: which message which group has handled, so that its effect happens once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import and_, insert, select

from newsstand.storage.rows import Rows
from newsstand.tables import inbox

__all__ = ["Handled", "InboxKey", "find_handled", "record_handled"]


@dataclass(frozen=True, slots=True)
class InboxKey:
    """A message as one group sees it."""

    topic: str
    group: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Handled:
    """That it was handled, and which row came of it."""

    row_id: int | None


async def find_handled(rows: Rows, key: InboxKey) -> Handled | None:
    """What was recorded; None if the message is new."""
    query = select(inbox.c.row_id).where(
        and_(
            inbox.c.topic == key.topic,
            inbox.c.group == key.group,
            inbox.c.message_id == key.message_id,
        )
    )
    found = await rows.one(query)
    return None if found is None else Handled(found["row_id"])


async def record_handled(rows: Rows, key: InboxKey, *, row_id: int) -> None:
    """Record it within the transaction of the effect.

    Where two transactions race for one message the key lets one of them fail, whole.
    """
    await rows.run(
        insert(inbox).values(
            topic=key.topic,
            group=key.group,
            message_id=key.message_id,
            row_id=row_id,
            recorded_at=datetime.now(UTC),
        )
    )
