"""Streams in the file: records in the order of their positions, which never come again."""

from __future__ import annotations

from collections.abc import Sequence

from anymq.abc import StreamSpec
from anymq.abc.stream import After, At, Earliest, Start
from anymq.errors import ConfigError, TopologyError
from anymq.message import Message
from anymq.outcome import Confirmed, Rejected, SendResult
from anymq.topology import TopologyMode
from anymq_sqlite.naming import Names
from anymq_sqlite.positions import ROOM, number_in, spell
from anymq_sqlite.rows import CONTENT, CONTENT_COLUMNS, Row, content_of
from anymq_sqlite.session import Session

__all__ = [
    "append",
    "commit",
    "declare_streams",
    "find_stream",
    "first_after",
    "is_there",
    "read",
    "trim_by_age",
]

CHUNK = 64
MOST_BYTES = 4 * 1024 * 1024
"""Read at once, but for a chunk: so much a reader may hold in advance."""
_APPEND = (
    f"INSERT INTO log (rid, appended_at, {CONTENT_COLUMNS})"
    f" VALUES ({','.join('?' * (2 + len(CONTENT)))})"
)
_READ = (
    f"SELECT rid, appended_at, {CONTENT_COLUMNS} FROM log"
    " WHERE rid BETWEEN ? AND ? ORDER BY rid LIMIT ?"
)


def declare_streams(
    session: Session, specs: Sequence[StreamSpec], mode: TopologyMode, names: Names
) -> None:
    """Make or check streams; limits may change at any time."""
    for spec in specs:
        name = names.physical(spec.name)
        if mode is TopologyMode.ASSUME:
            continue
        found = session.one("SELECT partitions FROM streams WHERE name = ?", (name,))
        if mode is TopologyMode.VERIFY:
            find_stream(session, name, names)
        if found is not None and found != spec.partitions:
            raise TopologyError(
                f"stream {spec.name!r} has {found} partitions, not {spec.partitions}"
            )
        if mode is not TopologyMode.MANAGE:
            continue
        session.execute(
            "INSERT INTO streams (name, partitions, max_records, max_bytes, max_age_s)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " max_records = excluded.max_records, max_bytes = excluded.max_bytes,"
            " max_age_s = excluded.max_age_s",
            (name, spec.partitions, spec.max_records, spec.max_bytes, spec.max_age_s),
        )


def find_stream(session: Session, name: str, names: Names) -> tuple[int, int]:
    """A stream's id, and the position that the next record gets. Raises TopologyError."""
    row = session.execute("SELECT id, next FROM streams WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise TopologyError(
            f"stream {names.logical(name)!r} does not exist in {session.file}: declare it"
        )
    return int(row[0]), int(row[1])


def append(
    session: Session, records: Sequence[Message], now: float, names: Names
) -> list[SendResult]:
    """Append records in order; results with their positions."""
    results: list[SendResult] = []
    ends: dict[str, tuple[int, int] | Rejected] = {}
    rows: list[Row] = []
    for message in records:
        name = names.physical(message.topic)
        if name not in ends:
            ends[name] = _end(session, name, names)
        end = ends[name]
        if isinstance(end, Rejected):
            results.append(end)
            continue
        sid, position = end
        ends[name] = sid, position + 1
        rows.append((sid * ROOM + position, now, *content_of(message)))
        results.append(Confirmed(spell(sid, position)))
    _store(session, rows, now)
    return results


def read(session: Session, sid: int, position: int, last: int | None, limit: int) -> list[Row]:
    """Up to ``limit`` records from a position on, fewer where they are large; none if there is
    none. Of each its rid, time and content."""
    base = sid * ROOM
    end = base + (ROOM - 1 if last is None else last)
    cursor = session.execute(_READ, (base + position, end, limit))
    rows: list[Row] = []
    size = 0
    while len(rows) < limit and size < MOST_BYTES:
        chunk = cursor.fetchmany(min(CHUNK, limit - len(rows)))
        if not chunk:
            break
        rows += chunk
        size += sum(len(row[-1]) for row in chunk if row[-1].__class__ is bytes)
    cursor.close()
    return rows


def is_there(session: Session, sid: int, position: int) -> bool:
    """Whether this file has the stream, and as far as a reader of it is: another file, or an older
    copy of this one, may have taken its place."""
    query = "SELECT 1 FROM streams WHERE id = ? AND next >= ?"
    return session.one(query, (sid, position)) is not None


def first_after(session: Session, sid: int, next_position: int, start: Start, name: str) -> int:
    """The position of the first record that a reader from ``start`` sees. Raises ConfigError."""
    if isinstance(start, Earliest):
        return 1
    if isinstance(start, After):
        number = number_in(sid, start.position, name)
        if number >= next_position:
            raise ConfigError(f"{start.position!r} is no position of stream {name!r}: not yet")
        return number + 1
    if isinstance(start, At):
        return _at(session, sid, next_position, start.time)
    return next_position


def commit(session: Session, sid: int, group: str, position: int) -> None:
    """Store a group's position unless it has a later one."""
    session.execute(
        "INSERT INTO committed VALUES (?, ?, ?) ON CONFLICT (stream, name)"
        " DO UPDATE SET position = max(position, excluded.position)",
        (sid, group, position),
    )


def trim_by_age(session: Session, now: float) -> None:
    """Remove what is older than its stream keeps."""
    rows = session.execute(
        "SELECT id, next, max_age_s FROM streams WHERE max_age_s IS NOT NULL"
    ).fetchall()
    for sid, next_position, max_age_s in rows:
        _cut(session, sid, _at(session, sid, next_position, now - max_age_s))


def _end(session: Session, name: str, names: Names) -> tuple[int, int] | Rejected:
    try:
        return find_stream(session, name, names)
    except TopologyError as error:
        return Rejected("not_found", str(error))


def _store(session: Session, rows: Sequence[Row], now: float) -> None:
    appended: dict[int, list[Row]] = {}
    for row in rows:
        appended.setdefault(row[0] // ROOM, []).append(row)
    for sid, fresh in appended.items():
        # Times never go back within a stream, whatever the machine's clock does: they are searched.
        last_at = session.one("SELECT last_at FROM streams WHERE id = ?", (sid,))
        at = max(now, last_at)
        session.connection.executemany(_APPEND, [(row[0], at, *row[2:]) for row in fresh])
        session.execute(
            "UPDATE streams SET next = next + ?, last_at = ?, bytes = bytes + ? WHERE id = ?",
            (len(fresh), at, sum(len(row[-1]) for row in fresh), sid),
        )
        _trim(session, sid)
        session.touched.add(-sid)


def _trim(session: Session, sid: int) -> None:
    first, next_position, size, max_records, max_bytes = session.execute(
        "SELECT first, next, bytes, max_records, max_bytes FROM streams WHERE id = ?", (sid,)
    ).fetchone()
    if max_records is not None and next_position - first > max_records:
        _cut(session, sid, next_position - max_records)
    if max_bytes is None or size <= max_bytes:
        return
    over = size - max_bytes
    base = sid * ROOM
    for rid, length in session.execute(
        "SELECT rid, length(body) FROM log WHERE rid BETWEEN ? AND ? ORDER BY rid",
        (base, base + ROOM - 1),
    ).fetchall():
        if over <= 0 or rid - base == next_position - 1:  # the newest stays, however large
            _cut(session, sid, rid - base)
            return
        over -= length


def _cut(session: Session, sid: int, first: int) -> None:
    """Remove everything before a position."""
    base = sid * ROOM
    values = (base, base + first - 1)
    size = session.one(
        "SELECT coalesce(sum(length(body)), 0) FROM log WHERE rid BETWEEN ? AND ?", values
    )
    gone = session.execute("DELETE FROM log WHERE rid BETWEEN ? AND ?", values).rowcount
    if gone:
        session.execute(
            "UPDATE streams SET first = max(first, ?), bytes = bytes - ? WHERE id = ?",
            (first, size, sid),
        )


def _at(session: Session, sid: int, next_position: int, moment: float) -> int:
    """The first position appended at a moment or later, by bisection: times never go back."""
    base = sid * ROOM
    query = "SELECT rid, appended_at FROM log WHERE rid BETWEEN ? AND ? ORDER BY rid LIMIT 1"
    low, high = 1, next_position
    while low < high:
        middle = (low + high) // 2
        row = session.execute(query, (base + middle, base + ROOM - 1)).fetchone()
        if row is None or row[1] >= moment:
            high = middle
        else:
            low = row[0] - base + 1
    return low
