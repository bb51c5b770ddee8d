"""Declaring topics and groups in the file."""

from __future__ import annotations

from collections.abc import Sequence

from anymq.capabilities import Durability
from anymq.errors import TopologyError, UnsupportedError
from anymq.topology import (
    GroupSpec,
    Order,
    TopicSpec,
    Topology,
    TopologyMode,
    is_pattern,
    matches,
)
from anymq_sqlite.naming import Names
from anymq_sqlite.routing import bump
from anymq_sqlite.session import Session

__all__ = ["add_group", "declare", "find_group", "remove_group"]


def declare(session: Session, topology: Topology, mode: TopologyMode, names: Names) -> None:
    """Make or check (by ``mode``) topics and groups. Raises TopologyError, UnsupportedError."""
    for topic in topology.topics:
        _declare_topic(session, topic, mode, names)
    for group in topology.groups:
        _declare_group(session, group, mode, names)


def find_group(session: Session, topic: str, name: str, names: Names) -> int:
    """The id of a group of a topic or pattern (physical). Raises TopologyError."""
    query = "SELECT id FROM groups WHERE topic = ? AND name = ?"
    found = session.one(query, (topic, name))
    if found is not None:
        return int(found)
    if not is_pattern(topic) and topic not in session.routing().topics:
        raise names.missing_topic(topic)
    raise names.missing_group(topic, name)


def add_group(session: Session, topics: Sequence[str], name: str | None, *, by_key: bool) -> int:
    """Make a group that hears topics and patterns from now on; its id."""
    cursor = session.execute(
        "INSERT INTO groups (topic, name, by_key) VALUES (?, ?, ?)", (topics[0], name, by_key)
    )
    gid = int(cursor.lastrowid or 0)
    known = session.routing().topics
    for pattern in topics:
        session.execute("INSERT OR IGNORE INTO sources VALUES (?, ?)", (gid, pattern))
        meant = [t for t in known if matches(pattern, t)] if is_pattern(pattern) else [pattern]
        for topic in meant:
            session.execute("INSERT OR IGNORE INTO routes VALUES (?, ?)", (topic, gid))
    _changed(session)
    return gid


def remove_group(session: Session, gid: int) -> None:
    """Delete a group with all it holds."""
    # State by state, because each has its index: the rows of other groups are not looked at.
    for which in ("state = 0", "state = 1", "state = 2", "lock_key IS NOT NULL"):
        session.execute(f"DELETE FROM queue WHERE gid = ? AND {which}", (gid,))
    for table in ("dead", "sources", "routes", "membership", "admins"):
        session.execute(f"DELETE FROM {table} WHERE gid = ?", (gid,))
    session.execute("DELETE FROM groups WHERE id = ?", (gid,))
    _changed(session)


def _declare_topic(session: Session, spec: TopicSpec, mode: TopologyMode, names: Names) -> None:
    if spec.durability is not None and spec.durability > Durability.OS_CRASH:
        raise UnsupportedError(
            f"topic {spec.name!r} asks durability={spec.durability.name.lower()!r}, and"
            f" {session.file} survives a crash of this machine, not its loss ('os_crash')"
        )
    topic = names.physical(spec.name)
    partitions = session.routing().topics.get(topic)
    if partitions is None:
        if mode is TopologyMode.VERIFY:
            raise names.missing_topic(topic)
        if mode is TopologyMode.MANAGE:
            _add_topic(session, topic, spec)
        return
    if mode is TopologyMode.MANAGE:
        # How long it is kept may change at any time.
        session.execute(
            "UPDATE topics SET retention_s = ?1 WHERE name = ?2 AND retention_s IS NOT ?1",
            (spec.retention_s, topic),
        )
    if partitions != spec.partitions and mode is not TopologyMode.ASSUME:
        _change_partitions(session, topic, spec, partitions, mode)


def _add_topic(session: Session, topic: str, spec: TopicSpec) -> None:
    session.execute(
        "INSERT INTO topics (name, partitions, retention_s) VALUES (?, ?, ?)",
        (topic, spec.partitions, spec.retention_s),
    )
    for gid, pattern in session.execute("SELECT gid, pattern FROM sources").fetchall():
        if matches(pattern, topic):
            session.execute("INSERT OR IGNORE INTO routes VALUES (?, ?)", (topic, gid))
    _changed(session)


def _change_partitions(
    session: Session, topic: str, spec: TopicSpec, partitions: int, mode: TopologyMode
) -> None:
    differs = f"topic {spec.name!r} has {partitions} partitions, not {spec.partitions}"
    if mode is TopologyMode.VERIFY:
        raise TopologyError(differs)
    for target in session.routing().routes.get(topic, ()):
        query = "SELECT 1 FROM queue WHERE gid = ? AND topic = ? LIMIT 1"
        if session.one(query, (target.gid, topic)) is not None:
            raise TopologyError(f"{differs}, and there are unsettled messages: drain them first")
    session.execute("UPDATE topics SET partitions = ? WHERE name = ?", (spec.partitions, topic))
    _changed(session)


def _declare_group(session: Session, spec: GroupSpec, mode: TopologyMode, names: Names) -> None:
    topic = names.physical(spec.topic)
    if mode is not TopologyMode.MANAGE:
        if mode is TopologyMode.VERIFY:
            find_group(session, topic, spec.name, names)
        return
    row = session.execute(
        "SELECT id, by_key FROM groups WHERE topic = ? AND name = ?", (topic, spec.name)
    ).fetchone()
    if row is not None:
        _keep_order(session, row[0], bool(row[1]), spec.order)
        return
    if not is_pattern(topic) and topic not in session.routing().topics:
        raise names.missing_topic(topic)
    add_group(session, [topic], spec.name, by_key=spec.order == "key")


def _keep_order(session: Session, gid: int, by_key: bool, order: Order) -> None:
    """Where a group's order is another one now, let what waits follow it."""
    if by_key == (order == "key"):
        return
    session.execute("UPDATE groups SET by_key = ? WHERE id = ?", (not by_key, gid))
    if by_key:
        session.execute("UPDATE queue SET state = 0 WHERE gid = ? AND state = 3", (gid,))
        session.execute("UPDATE queue SET lock_key = NULL WHERE gid = ?", (gid,))
    else:
        session.execute("UPDATE queue SET lock_key = key WHERE gid = ?", (gid,))
        session.execute(
            "UPDATE queue SET state = 3 WHERE gid = ?1 AND state = 0 AND lock_key IS NOT NULL"
            " AND EXISTS (SELECT 1 FROM queue AS q WHERE q.gid = ?1 AND q.state IN (0, 1)"
            " AND q.lock_key = queue.lock_key AND q.seq < queue.seq)",
            (gid,),
        )
    _changed(session)


def _changed(session: Session) -> None:
    bump(session.connection)
    session.topology_changed()
