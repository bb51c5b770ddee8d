"""Groups by key: the next of a key becomes ready when the one before it is settled."""

from __future__ import annotations

from anymq_sqlite.session import Session

__all__ = ["promote"]


def promote(session: Session, gid: int, key: str | None) -> None:
    """A key is free: let its next message go. Nothing for no key, or where none waits."""
    if key is None:
        return
    query = (
        "SELECT seq, state FROM queue WHERE gid = ? AND lock_key = ? AND state IN (0, 1, 3)"
        " ORDER BY state, seq LIMIT 1"
    )
    row = session.execute(query, (gid, key)).fetchone()
    if row is not None and row[1] == 3:
        session.execute("UPDATE queue SET state = 0 WHERE seq = ?", (row[0],))
        session.touched.add(gid)
