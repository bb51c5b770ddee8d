"""Members of groups: joining, leaving, and inheriting from those whose process ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from anymq.topology import is_pattern
from anymq_sqlite.naming import Names
from anymq_sqlite.presence import GONE, Presence, boottime, here, is_alive
from anymq_sqlite.session import Session
from anymq_sqlite.topology import add_group, find_group, remove_group

__all__ = ["Joined", "abandon", "beat", "dead_members", "join", "leave", "living", "take_over"]


@dataclass(frozen=True, slots=True)
class Joined:
    """A membership: the member's id, and its groups' in the order of the topics."""

    member: int
    gids: tuple[int, ...]


def join(
    session: Session,
    topics: Sequence[str],
    group: str | None,
    *,
    by_key: bool,
    client: str,
    lease_s: float,
    names: Names,
) -> Joined:
    """Become a member of a group, or of one made for this subscription. Raises TopologyError."""
    if group is not None:
        gids = [find_group(session, topic, group, names) for topic in topics]
    else:
        for topic in topics:
            if not is_pattern(topic) and topic not in session.routing().topics:
                raise names.missing_topic(topic)
        gids = [add_group(session, topics, None, by_key=by_key)]
    us = here()
    cursor = session.execute(
        "INSERT INTO members (client, boot, space, pid, started, beat_at, lease_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (client, us.boot, us.space, us.pid, us.started, boottime(), lease_s),
    )
    member = int(cursor.lastrowid or 0)
    for gid in gids:
        session.execute("INSERT OR IGNORE INTO membership VALUES (?, ?)", (member, gid))
        session.execute("UPDATE groups SET idle_since = NULL WHERE id = ?", (gid,))
    return Joined(member, tuple(gids))


def leave(session: Session, member: int) -> None:
    """Give back what is unsettled, uncounted, and be no member any more."""
    _return(session, member, "deliveries = deliveries - 1, redelivered = 1")
    _remove(session, member)


def take_over(session: Session, member: int) -> None:
    """Let the others have what a member held that is no more; its deliveries count."""
    _return(session, member, "redelivered = 1")
    _remove(session, member)


def abandon(session: Session, member: int) -> None:
    """Leave a member behind as a killed process would."""
    session.execute("UPDATE members SET pid = ? WHERE id = ?", (GONE, member))


def beat(session: Session, members: Sequence[int]) -> list[int]:
    """Give a sign of life; those of the members that others have taken for dead."""
    now = boottime()
    query = "UPDATE members SET beat_at = ? WHERE id = ?"
    return [m for m in members if session.execute(query, (now, m)).rowcount == 0]


def dead_members(session: Session, ours: Sequence[int] = ()) -> list[int]:
    """Members whose process ended, or gave no sign within its lease; never one of ours."""
    us = here()
    return [member for member, is_dead in _states(session, us) if is_dead and member not in ours]


def living(session: Session) -> set[int]:
    """Members whose process lives."""
    return {member for member, is_dead in _states(session, here()) if not is_dead}


def _states(session: Session, us: Presence) -> list[tuple[int, bool]]:
    rows = session.execute(
        "SELECT id, boot, space, pid, started, beat_at, lease_s FROM members"
    ).fetchall()
    return [
        (row[0], not is_alive(Presence(*row[1:5]), beat_at=row[5], lease_s=row[6], us=us))
        for row in rows
    ]


def _return(session: Session, member: int, change: str) -> None:
    rows = session.execute(
        "SELECT DISTINCT gid FROM queue WHERE owner = ? AND state = 1", (member,)
    ).fetchall()
    session.execute(
        f"UPDATE queue SET state = 0, owner = NULL, {change} WHERE owner = ? AND state = 1",
        (member,),
    )
    session.touched.update(gid for (gid,) in rows)


def _remove(session: Session, member: int) -> None:
    rows = session.execute(
        "SELECT g.id, g.name FROM membership AS m JOIN groups AS g ON g.id = m.gid"
        " WHERE m.member = ?",
        (member,),
    ).fetchall()
    session.execute("DELETE FROM membership WHERE member = ?", (member,))
    session.execute("DELETE FROM members WHERE id = ?", (member,))
    for gid, name in rows:
        if name is None:
            remove_group(session, gid)
        else:
            session.execute(
                "UPDATE groups SET idle_since = ?1 WHERE id = ?2 AND NOT EXISTS"
                " (SELECT 1 FROM membership WHERE gid = ?2)",
                (time.time(), gid),
            )
