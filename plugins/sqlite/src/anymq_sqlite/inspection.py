"""Topics and groups with what they hold, counted."""

from __future__ import annotations

from anymq.abc import GroupState, TopicState
from anymq_sqlite.members import living
from anymq_sqlite.naming import Names
from anymq_sqlite.session import Session

__all__ = ["groups", "topics"]

_READY = "SELECT count(*) FROM queue WHERE gid = ? AND state = 0"
_BEHIND = "SELECT count(*) FROM queue WHERE gid = ? AND lock_key IS NOT NULL AND state = 3"
_FLYING = "SELECT count(*) FROM queue WHERE state = 1 AND gid = ?"
_DELAYED = "SELECT count(*) FROM queue WHERE gid = ? AND state = 2"
_DEAD = "SELECT count(*) FROM dead WHERE gid = ?"


def topics(session: Session, names: Names) -> list[TopicState]:
    """Every topic of the namespace, by name."""
    routing = session.routing()
    found = []
    for topic, partitions in sorted(routing.topics.items()):
        if topic.startswith(names.prefix):
            waiting = [_waiting(session, t.gid) for t in routing.routes.get(topic, ())]
            found.append(TopicState(names.logical(topic), partitions, max(waiting, default=0)))
    return found


def groups(session: Session, topic: str | None, names: Names, now: float) -> list[GroupState]:
    """Every named group (of one topic), by topic and name. Raises TopologyError."""
    if topic is not None and names.physical(topic) not in session.routing().topics:
        raise names.missing_topic(names.physical(topic))
    rows = session.execute(
        "SELECT id, topic, name, idle_since FROM groups WHERE name IS NOT NULL ORDER BY topic, name"
    ).fetchall()
    alive = living(session)
    return [
        _state(session, row, alive, names, now)
        for row in rows
        if (row[1].startswith(names.prefix) if topic is None else row[1] == names.physical(topic))
    ]


def _state(
    session: Session,
    row: tuple[int, str, str, float | None],
    alive: set[int],
    names: Names,
    now: float,
) -> GroupState:
    gid, topic, name, idle_since = row
    query = "SELECT member FROM membership WHERE gid = ?"
    members = {member for (member,) in session.execute(query, (gid,)).fetchall()} & alive
    return GroupState(
        topic=names.logical(topic),
        name=name,
        ready=_waiting(session, gid),
        in_flight=session.one(_FLYING, (gid,)),
        delayed=session.one(_DELAYED, (gid,)),
        dead=session.one(_DEAD, (gid,)),
        members=len(members),
        idle_s=0.0 if members or idle_since is None else max(0.0, now - idle_since),
    )


def _waiting(session: Session, gid: int) -> int:
    return int(session.one(_READY, (gid,)) + session.one(_BEHIND, (gid,)))
