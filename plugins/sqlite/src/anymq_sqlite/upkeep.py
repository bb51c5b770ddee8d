"""What a process with the file open does now and then: give signs of life, inherit, tidy up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from anymq_sqlite.keys import promote
from anymq_sqlite.log import trim_by_age
from anymq_sqlite.members import beat, dead_members, take_over
from anymq_sqlite.request import Request
from anymq_sqlite.retention import outlived
from anymq_sqlite.session import Session
from anymq_sqlite.writer import Job

__all__ = ["Roster", "upkeep"]

LOOK_S = 0.25
"""How often members look whether another process has died."""
TIDY_S = 5.0
AGAIN_S = 0.05
"""Where one turn did not remove all: whoever publishes fast is kept up with."""
EXPIRED = 5000
"""Most expired messages that are removed at once."""
FREE_PAGES = 2048
"""So many pages may lie empty in the file; those above are given back to the file system."""
VACUUMED = 2048
"""Most pages given back at once: a few milliseconds."""


class Roster:
    """The members of this process, for whom it gives signs of life. In the writer's thread."""

    def __init__(self) -> None:
        self._members: dict[int, tuple[float, Callable[[], None]]] = {}

    def add(self, member: int, lease_s: float, on_gone: Callable[[], None]) -> None:
        """Keep a member alive; ``on_gone`` is called, here, if others took it for dead."""
        self._members[member] = (lease_s, on_gone)

    def discard(self, member: int) -> None:
        """Give no more signs for it."""
        self._members.pop(member, None)

    @property
    def ids(self) -> list[int]:
        """All of them."""
        return list(self._members)

    @property
    def shortest_lease_s(self) -> float:
        """Of them all; a second where there is none."""
        return min((lease_s for lease_s, _ in self._members.values()), default=3.0)

    def gone(self, members: list[int] | None) -> None:
        """Tell those that others took for dead."""
        for member in members or ():
            found = self._members.pop(member, None)
            if found is not None:
                found[1]()


def upkeep(roster: Roster) -> list[Job]:
    """The jobs, signs of life first: nobody inherits from itself after a long sleep."""
    return [_beating(roster), _looking(roster), _tidying()]


def _beating(roster: Roster) -> Job:
    last_at = 0.0

    def job(now: float) -> tuple[float, list[Request[Any]]]:
        nonlocal last_at
        interval_s = roster.shortest_lease_s / 3
        ids = roster.ids
        if not ids or now - last_at < interval_s * 0.9:
            return now + min(interval_s, 1.0), []
        last_at = now
        request = Request[list[int]](
            lambda session: beat(session, ids),
            on_done=lambda gone, _failure: roster.gone(gone),
            is_durable=False,
        )
        return now + min(interval_s, 1.0), [request]

    return job


def _looking(roster: Roster) -> Job:
    def may_have(session: Session) -> tuple[bool, float | None]:
        return bool(dead_members(session, roster.ids)), None

    def work(session: Session) -> bool | None:
        dead = dead_members(session, roster.ids)
        for member in dead:
            take_over(session, member)
        return bool(dead) or None

    def job(now: float) -> tuple[float, list[Request[Any]]]:
        if not roster.ids:
            return now + LOOK_S, []
        return now + LOOK_S, [Request(work, on_done=_nothing, may_have=may_have, is_durable=False)]

    return job


def _tidying() -> Job:
    is_behind = False

    def note(removed: int | None, _failure: object) -> None:
        nonlocal is_behind
        is_behind = removed is not None and removed >= EXPIRED

    def job(now: float) -> tuple[float, list[Request[Any]]]:
        request = Request(_tidy, on_done=note, may_have=_is_untidy, is_durable=False)
        return now + (AGAIN_S if is_behind else TIDY_S), [request]

    return job


def _is_untidy(session: Session) -> tuple[bool, float | None]:
    now = time.time()
    query = "SELECT EXISTS (SELECT 1 FROM queue WHERE expires_at <= ? AND state <> 1)"
    if session.one(query, (now,)) or session.one("PRAGMA freelist_count") > FREE_PAGES:
        return True, None
    if outlived(session, now, 1):
        return True, None
    return session.one("SELECT 1 FROM streams WHERE max_age_s IS NOT NULL LIMIT 1") == 1, None


def _tidy(session: Session) -> int:
    """Remove what nobody may get any more, and give back pages; the number of messages."""
    now = time.time()
    rows = session.execute(
        "SELECT seq, gid, lock_key FROM queue WHERE expires_at <= ? AND state <> 1 LIMIT ?",
        (now, EXPIRED),
    ).fetchall()
    rows += outlived(session, now, EXPIRED - len(rows))
    if rows:
        session.execute(
            "DELETE FROM queue WHERE seq IN (SELECT value FROM json_each(?))",
            (json.dumps([row[0] for row in rows]),),
        )
        for _, gid, key in rows:
            promote(session, gid, key)
    trim_by_age(session, now)
    free = session.one("PRAGMA freelist_count") - FREE_PAGES
    if free > 0:
        session.execute(f"PRAGMA incremental_vacuum({min(free, VACUUMED)})").fetchall()
    return len(rows)


def _nothing(_value: object, _failure: object) -> None:
    """Nobody waits for it."""
