"""One operator at a time on a group's dead letters; the lease ends with time or the process."""

from __future__ import annotations

from anymq.errors import Busy
from anymq_sqlite.presence import Presence, boottime, here, is_alive
from anymq_sqlite.session import Session

__all__ = ["check_free", "enter", "let_go"]


def check_free(session: Session, gid: int, holder: str, what: str) -> None:
    """Raise Busy if another operator holds the dead letters of a group."""
    row = session.execute(
        "SELECT holder, boot, space, pid, started, since, lease_s FROM admins WHERE gid = ?", (gid,)
    ).fetchone()
    if row is None or row[0] == holder:
        return
    if is_alive(Presence(*row[1:5]), beat_at=row[5], lease_s=row[6], us=here()):
        raise Busy(f"another operator works on the dead letters of {what}")


def enter(session: Session, gid: int, holder: str, what: str, *, lease_s: float) -> None:
    """Hold a group's dead letters. Raises Busy."""
    check_free(session, gid, holder, what)
    us = here()
    session.execute(
        "INSERT OR REPLACE INTO admins VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (gid, holder, us.boot, us.space, us.pid, us.started, boottime(), lease_s),
    )


def let_go(session: Session, gid: int, holder: str) -> None:
    """Hold them no longer, if we do."""
    session.execute("DELETE FROM admins WHERE gid = ? AND holder = ?", (gid, holder))
