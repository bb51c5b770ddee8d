"""Carrying out outcomes: each changes something only where the delivery is still the member's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anymq.message import Message
from anymq.outcome import SETTLED, STALE, Ack, DeadLetter, Outcome, Release, Retry, SettleResult
from anymq_sqlite.keys import promote
from anymq_sqlite.rows import CONTENT, CONTENT_COLUMNS, content_of
from anymq_sqlite.session import Session

__all__ = ["Item", "give_back", "settle", "undo"]


@dataclass(slots=True)
class Item:
    """One delivery to settle. ``message`` is what a Retry or DeadLetter keeps."""

    seq: int
    gid: int
    outcome: Outcome
    message: Message
    due_at: float


_RETRY = (
    "UPDATE queue SET state = 2, owner = NULL, deliveries = 0, redelivered = 1, due_at = ?,"
    f" {', '.join(f'{name} = ?' for name in CONTENT)}"
    " WHERE seq = ? AND owner = ? AND state = 1 RETURNING lock_key"
)
_RELEASE = (
    "UPDATE queue SET state = 0, owner = NULL, deliveries = deliveries - 1, redelivered = 1"
    " WHERE seq = ? AND owner = ? AND state = 1"
)
_DELETE = "DELETE FROM queue WHERE seq = ? AND owner = ? AND state = 1 RETURNING lock_key, topic"
_BURY = (
    f"INSERT OR REPLACE INTO dead (gid, topic, {CONTENT_COLUMNS})"
    f" VALUES ({','.join('?' * (2 + len(CONTENT)))})"
)


def settle(session: Session, member: int, items: Sequence[Item]) -> list[SettleResult]:
    """Carry out outcomes; one result each, in order."""
    by_key = session.routing().by_key
    plain = [item for item in items if isinstance(item.outcome, Ack) and item.gid not in by_key]
    stale = _delete_runs(session, member, sorted(item.seq for item in plain))
    if len(plain) == len(items) and not stale:
        return [SETTLED] * len(items)
    done = {item.seq for item in plain}
    results: list[SettleResult] = []
    for item in items:
        if item.seq in done:
            results.append(STALE if item.seq in stale else SETTLED)
        else:
            results.append(SETTLED if _settle_one(session, member, item) else STALE)
    return results


def give_back(session: Session, member: int, seqs: Sequence[int]) -> None:
    """Let others have deliveries whose lease ended: they count, and come again flagged."""
    _return(session, member, seqs, "redelivered = 1")


def undo(session: Session, member: int, seqs: Sequence[int]) -> None:
    """Take a claim back that nobody was told of."""
    _return(session, member, seqs, "deliveries = deliveries - 1")


def _return(session: Session, member: int, seqs: Sequence[int], change: str) -> None:
    rows = session.execute(
        f"UPDATE queue SET state = 0, owner = NULL, {change} WHERE owner = ? AND state = 1"
        " AND seq IN (SELECT value FROM json_each(?)) RETURNING gid",
        (member, json.dumps(list(seqs))),
    ).fetchall()
    session.touched.update(gid for (gid,) in rows)


def _delete_runs(session: Session, member: int, seqs: list[int]) -> set[int]:
    """Delete what is the member's, neighbours at once; those that were not."""
    stale: set[int] = set()
    for first, last in _runs(seqs):
        values = (first, last, member)
        held = session.one(
            "SELECT count(*) FROM queue WHERE seq BETWEEN ? AND ? AND owner = ? AND state = 1",
            values,
        )
        if held == last - first + 1:
            session.execute(
                "DELETE FROM queue WHERE seq BETWEEN ? AND ? AND owner = ? AND state = 1", values
            )
            continue
        for seq in range(first, last + 1):
            if session.execute(_DELETE, (seq, member)).fetchone() is None:
                stale.add(seq)
    return stale


def _runs(seqs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each row of neighbours."""
    first = last = None
    for seq in seqs:
        if first is None or last is None:
            first = last = seq
        elif seq == last + 1:
            last = seq
        else:
            yield first, last
            first = last = seq
    if first is not None and last is not None:
        yield first, last


def _settle_one(session: Session, member: int, item: Item) -> bool:
    if isinstance(item.outcome, Release):
        done = session.execute(_RELEASE, (item.seq, member)).rowcount > 0
        if done:
            session.touched.add(item.gid)
        return done
    if isinstance(item.outcome, Retry):
        content = content_of(item.message)
        values = (item.due_at, *content, item.seq, member)
        row = session.execute(_RETRY, values).fetchone()
        session.touched.add(item.gid)  # whoever waits learns when it is due
    else:
        row = session.execute(_DELETE, (item.seq, member)).fetchone()
        if row is not None and isinstance(item.outcome, DeadLetter):
            session.execute(_BURY, (item.gid, row[1], *content_of(item.message)))
    if row is None:
        return False
    promote(session, item.gid, row[0])
    return True
