"""Which groups a message reaches, as the file has it: read again only when it changed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

__all__ = ["Routing", "Target", "bump", "load_routing"]


@dataclass(frozen=True, slots=True)
class Target:
    """One group that a topic's messages reach."""

    gid: int
    by_key: bool


@dataclass(slots=True)
class Routing:
    """All topics and groups of one version of the topology."""

    version: int = 0
    topics: dict[str, int] = field(default_factory=dict)
    """Partitions by physical name."""
    routes: dict[str, list[Target]] = field(default_factory=dict)
    """By topic, named and anonymous groups, those of patterns included."""
    named: dict[tuple[str, str], Target] = field(default_factory=dict)
    """By (topic, group's name)."""
    by_key: frozenset[int] = frozenset()
    """The groups that are handed one message of a key at a time."""


def load_routing(connection: sqlite3.Connection, known: Routing) -> Routing:
    """What holds now: ``known`` itself if it is still so. Inside a transaction, or before one."""
    query = "SELECT value FROM meta WHERE name = 'topology'"
    (version,) = connection.execute(query).fetchone()
    return known if version == known.version else _load(connection, version)


def bump(connection: sqlite3.Connection) -> None:
    """Tell every connection that the topology changed."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'topology'")


def _load(connection: sqlite3.Connection, version: int) -> Routing:
    topics = dict(connection.execute("SELECT name, partitions FROM topics").fetchall())
    found = Routing(version, topics)
    rows = connection.execute(
        "SELECT r.topic, g.id, g.name, g.by_key FROM routes AS r JOIN groups AS g ON g.id = r.gid"
    ).fetchall()
    ordered = set()
    for topic, gid, name, by_key in rows:
        target = Target(gid, bool(by_key))
        found.routes.setdefault(topic, []).append(target)
        if name is not None:
            found.named[topic, name] = target
        if by_key:
            ordered.add(gid)
    found.by_key = frozenset(ordered)
    return found
