"""Taking messages for one member: in order, by priority, nothing early and nothing expired."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from anymq.errors import TopologyError
from anymq.support.clock import Clock
from anymq_sqlite.keys import promote
from anymq_sqlite.rows import CONTENT_COLUMNS, Row
from anymq_sqlite.sending import is_key_busy
from anymq_sqlite.session import Session

__all__ = ["CLAIMED", "GONE", "Claim"]

LOWER_TURN = 8
"""One message in eight is taken from a lower priority while higher ones wait."""
NORMAL = 1
RIPE = 1000
"""Most delayed messages that one claim makes ready."""
GONE: list[Row] = []
"""What a claim gives whose member is no longer in the file."""

CLAIMED = ("seq", "gid", "topic", "deliveries", "redelivered")
"""The columns before the content of a claimed row; ``deliveries`` counts this one."""
_EXPIRES_AT = -3
_RETURNING = f"RETURNING {', '.join(CLAIMED)}, {CONTENT_COLUMNS}"
_TAKE = (
    "UPDATE queue SET state = 1, owner = ?, deliveries = deliveries + 1 WHERE seq IN"
    " (SELECT seq FROM queue WHERE gid = ? AND state = 0 AND priority = ? ORDER BY seq LIMIT ?)"
    f" {_RETURNING}"
)
_TAKE_THESE = (
    "UPDATE queue SET state = 1, owner = ?, deliveries = deliveries + 1"
    f" WHERE seq IN (SELECT value FROM json_each(?)) {_RETURNING}"
)
_LEVEL = "SELECT seq FROM queue WHERE gid = ? AND state = 0 AND priority = ? ORDER BY seq LIMIT ?"
_GROUPS = "SELECT count(*) FROM membership WHERE member = ?"
_HAS = """SELECT EXISTS (SELECT 1 FROM queue WHERE gid = ?1 AND state = 0),
                 (SELECT min(due_at) FROM queue WHERE gid = ?1 AND state = 2)"""


class Claim:
    """What one member takes from its groups in turn. Used in the writer's thread alone."""

    def __init__(self, gids: Sequence[int], clock: Clock) -> None:
        self.gids = deque(gids)
        self.member = 0
        self._clock = clock
        self._turn = 0

    def may_have(self, session: Session) -> tuple[bool, float | None]:
        """Whether there is something, and when the next delayed message is due."""
        if session.one(_GROUPS, (self.member,)) != len(self.gids):
            return True, None
        now, due = self._clock.time(), None
        for gid in self.gids:
            ready, next_due = session.execute(_HAS, (gid,)).fetchone()
            if ready or (next_due is not None and next_due <= now):
                return True, None
            if next_due is not None and (due is None or next_due < due):
                due = next_due
        return False, due

    def take(self, session: Session, limit: int) -> list[Row] | None:
        """Up to ``limit`` rows, now the member's; None for nothing, GONE if it is no member.

        Raises: TopologyError where a group was removed.
        """
        if session.one("SELECT 1 FROM members WHERE id = ?", (self.member,)) is None:
            return GONE
        if session.one(_GROUPS, (self.member,)) != len(self.gids):
            raise TopologyError(f"a group that is subscribed to was removed from {session.file}")
        now = self._clock.time()
        found: list[Row] = []
        for _ in range(len(self.gids)):
            gid = self.gids[0]
            self.gids.rotate(-1)
            self._take_from(session, gid, limit, now, found)
            if len(found) >= limit:
                break
        return found or None

    def _take_from(
        self, session: Session, gid: int, limit: int, now: float, found: list[Row]
    ) -> None:
        _ripen(session, gid, now)
        while len(found) < limit:
            rows = self._rows(session, gid, limit - len(found))
            fresh = [row for row in rows if row[_EXPIRES_AT] is None or row[_EXPIRES_AT] > now]
            found += fresh
            if len(fresh) == len(rows):
                return
            _drop(session, gid, [row[0] for row in rows if row not in fresh])

    def _rows(self, session: Session, gid: int, limit: int) -> list[Row]:
        levels = [level for level in (2, 0) if session.one(_LEVEL, (gid, level, 1)) is not None]
        if not levels:
            rows = session.execute(_TAKE, (self.member, gid, NORMAL, limit)).fetchall()
            rows.sort()
            return rows
        chosen = self._choose(session, gid, limit)
        taken = session.execute(_TAKE_THESE, (self.member, json.dumps(chosen))).fetchall()
        by_seq: dict[Any, Row] = {row[0]: row for row in taken}
        return [by_seq[seq] for seq in chosen]

    def _choose(self, session: Session, gid: int, limit: int) -> list[int]:
        """Higher first, but every eighth from the lowest that there is."""
        queues = [
            deque(seq for (seq,) in session.execute(_LEVEL, (gid, level, limit)).fetchall())
            for level in (2, 1, 0)
        ]
        chosen: list[int] = []
        while len(chosen) < limit:
            filled = [queue for queue in queues if queue]
            if not filled:
                break
            self._turn = (self._turn + 1) % LOWER_TURN
            chosen.append((filled[0] if self._turn else filled[-1]).popleft())
        return chosen


def _ripen(session: Session, gid: int, now: float) -> None:
    """Make ready what is due."""
    rows = session.execute(
        "SELECT seq, lock_key FROM queue WHERE gid = ? AND state = 2 AND due_at <= ?"
        " ORDER BY due_at LIMIT ?",
        (gid, now, RIPE),
    ).fetchall()
    for seq, key in rows:
        state = 3 if key is not None and is_key_busy(session, gid, key) else 0
        session.execute("UPDATE queue SET state = ?, due_at = NULL WHERE seq = ?", (state, seq))


def _drop(session: Session, gid: int, expired: Sequence[int]) -> None:
    rows = session.execute(
        "DELETE FROM queue WHERE seq IN (SELECT value FROM json_each(?)) RETURNING lock_key",
        (json.dumps(expired),),
    ).fetchall()
    for (key,) in rows:
        promote(session, gid, key)
