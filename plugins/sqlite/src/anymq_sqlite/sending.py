"""Storing messages: one row for each group that a message reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from anymq.message import Message
from anymq.outcome import CONFIRMED, Rejected, SendResult
from anymq_sqlite.naming import Names
from anymq_sqlite.routing import Routing, Target
from anymq_sqlite.rows import CONTENT, CONTENT_COLUMNS, Row, content_of
from anymq_sqlite.session import Session

__all__ = ["DELAYED", "IN_FLIGHT", "PARKED", "READY", "insert", "is_key_busy", "send", "sending"]

READY, IN_FLIGHT, DELAYED, PARKED = range(4)
"""What ``queue.state`` means. Parked: behind another message of its key."""

_COLUMNS = f"gid, state, topic, lock_key, due_at, {CONTENT_COLUMNS}"
_WIDTH = 5 + len(CONTENT)
_PIECES = (256, 64, 16, 4, 1)
"""Rows of one statement: few different statements, and few steps (each lets other threads run)."""
_ONE = f"({','.join('?' * _WIDTH)})"
_INSERTS = {n: f"INSERT INTO queue ({_COLUMNS}) VALUES {','.join([_ONE] * n)}" for n in _PIECES}
_BURY = (
    f"INSERT OR REPLACE INTO dead (gid, topic, {CONTENT_COLUMNS})"
    f" VALUES ({','.join('?' * (2 + len(CONTENT)))})"
)


def sending(
    messages: Sequence[Message], *, atomic: bool, names: Names, max_bytes: int | None
) -> Callable[[Session], list[SendResult]]:
    """The work of one send."""

    def work(session: Session) -> list[SendResult]:
        return send(session, messages, atomic=atomic, names=names, max_bytes=max_bytes)

    return work


def send(
    session: Session,
    messages: Sequence[Message],
    *,
    atomic: bool,
    names: Names,
    max_bytes: int | None,
) -> list[SendResult]:
    """Store messages; one result each, in order."""
    if max_bytes is not None and _used_bytes(session) >= max_bytes:
        full = Rejected("full", f"{session.file} holds max_file_bytes = {max_bytes} bytes already")
        return [full] * len(messages)
    routing = session.routing()
    prefix = names.prefix
    places: list[Sequence[Target] | Rejected] = [
        _targets(routing, message, prefix + message.topic, names) for message in messages
    ]
    refused = next((place for place in places if isinstance(place, Rejected)), None)
    if atomic and refused is not None:
        return [refused] * len(messages)
    rows: list[Row] = []
    results: list[SendResult] = []
    busy: set[tuple[int, str]] = set()
    for message, place in zip(messages, places, strict=True):
        if isinstance(place, Rejected):
            results.append(place)
            continue
        results.append(CONFIRMED)
        if place:
            _add_rows(session, message, prefix + message.topic, place, rows, busy)
    insert(session, rows)
    return results


def insert(session: Session, rows: Sequence[Row]) -> None:
    """Put rows into the queue, in their order."""
    begin, count = 0, len(rows)
    for piece in _PIECES:
        while count - begin >= piece:
            values: list[Any] = [value for row in rows[begin : begin + piece] for value in row]
            session.execute(_INSERTS[piece], values)
            begin += piece
    session.touched.update(row[0] for row in rows)


def is_key_busy(session: Session, gid: int, key: str) -> bool:
    """Whether a message of that key waits for, or is with, somebody of a group by key."""
    query = (
        "SELECT 1 FROM queue WHERE gid = ? AND lock_key = ? AND state IN (0, 1, 3)"
        " ORDER BY seq LIMIT 1"
    )
    return session.one(query, (gid, key)) is not None


def _targets(
    routing: Routing, message: Message, topic: str, names: Names
) -> Sequence[Target] | Rejected:
    if message.group is None:
        found = routing.routes.get(topic)
        if found is not None or topic in routing.topics:
            return found or ()
        return Rejected("not_found", str(names.missing_topic(topic)))
    target = routing.named.get((topic, message.group))
    if target is not None:
        return (target,)
    if topic not in routing.topics:
        return Rejected("not_found", str(names.missing_topic(topic)))
    return Rejected("not_found", str(names.missing_group(topic, message.group)))


def _add_rows(
    session: Session,
    message: Message,
    topic: str,
    targets: Iterable[Target],
    rows: list[Row],
    busy: set[tuple[int, str]],
) -> None:
    content = content_of(message)
    if message.lane == "dead":
        for target in targets:
            session.execute(_BURY, (target.gid, topic, *content))
        return
    state = READY if message.due_at is None else DELAYED
    for gid, by_key in ((target.gid, target.by_key) for target in targets):
        if not by_key or message.key is None:
            rows.append((gid, state, topic, None, message.due_at, *content))
            continue
        place = state
        if state == READY:
            lock = (gid, message.key)
            if lock in busy or is_key_busy(session, gid, message.key):
                place = PARKED
            busy.add(lock)
        rows.append((gid, place, topic, message.key, message.due_at, *content))


def _used_bytes(session: Session) -> int:
    pages = session.one("PRAGMA page_count") - session.one("PRAGMA freelist_count")
    return int(pages * session.one("PRAGMA page_size"))
