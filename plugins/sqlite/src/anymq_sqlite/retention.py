"""What a topic keeps for groups that do not fetch it: everything, or what is young enough."""

from __future__ import annotations

from anymq_sqlite.session import Session

__all__ = ["outlived"]

_TOPICS = "SELECT name, retention_s FROM topics WHERE retention_s IS NOT NULL"
_GROUPS = "SELECT gid FROM routes WHERE topic = ?"
_OLDEST = (
    "SELECT seq, gid, lock_key, timestamp FROM queue"
    " WHERE gid = ? AND state = 0 AND priority = ? AND topic = ? ORDER BY seq LIMIT ?"
)
PRIORITIES = (0, 1, 2)

Outlived = tuple[int, int, str | None]
"""A row's number, its group and the key that it holds up."""


def outlived(session: Session, now: float, limit: int) -> list[Outlived]:
    """At most ``limit`` ready messages, oldest first, that were published too long ago to be kept.

    Those in flight or delayed are not looked at. It looks from the oldest on and ends at the first
    that is young enough, so a backlog costs nothing.
    """
    found: list[Outlived] = []
    for topic, retention_s in session.execute(_TOPICS).fetchall():
        for (gid,) in session.execute(_GROUPS, (topic,)).fetchall():
            for priority in PRIORITIES:
                room = limit - len(found)
                if room <= 0:
                    return found
                cursor = session.execute(_OLDEST, (gid, priority, topic, room))
                for seq, owner, key, timestamp in cursor:
                    if timestamp > now - retention_s:
                        break
                    found.append((seq, owner, key))
                cursor.close()
    return found
