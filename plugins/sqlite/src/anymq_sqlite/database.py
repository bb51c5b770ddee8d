"""The file as one thread has it: open, still in its place, and its transactions."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

from anymq.errors import AccessDenied, AnyMQError, BackendUnavailable, TopologyError
from anymq_sqlite.connection import connect, patiently
from anymq_sqlite.errors import is_busy, is_lost_sync, translate
from anymq_sqlite.location import identity
from anymq_sqlite.request import Request
from anymq_sqlite.session import Session

__all__ = ["Database", "Outcome"]

Outcome = tuple[Request[Any], Any, AnyMQError | None]
"""A request, what its work gave, and why it was not carried out."""


class Database:
    """Belongs to the writer's thread."""

    def __init__(self, file: str, *, open_limit_s: float, busy_limit_s: float) -> None:
        self.file = file
        self._open_limit_s = open_limit_s
        self._busy_limit_s = busy_limit_s
        self._session: Session | None = None
        self._identity: tuple[int, int] | None = None
        self._is_durable = True
        self._data_version = 0
        self._touched: set[int] = set()
        self.reset_at: float | None = None
        """When (monotonic) the file was last found exchanged for another one."""
        self.on_exchange: list[Callable[[Session], None]] = []
        """Called in a transaction of its own on a file that took the place of another one, before
        anything else: what was declared is declared again. From any thread."""
        self._news: list[str] = []
        self._broken: str | None = None
        """Why nothing can be written until a restart."""

    def session(self) -> Session:
        """The open file. Opens it first, and again where another was put in its place.

        Raises: AnyMQError, sqlite3.Error.
        """
        if self._session is not None:
            if identity(self.file) == self._identity:
                if _is_open(self._session):
                    return self._session
                self._news.append(f"the connection to {self.file} was closed")
            elif not os.path.exists(self.file):
                raise BackendUnavailable(
                    f"{self.file} is gone from its place: bring it back, its messages are in it"
                )
            self.close()
        connection = connect(self.file, limit_s=self._open_limit_s)
        session = Session(connection, self.file)
        found = identity(self.file)
        is_done = False
        try:
            if self._identity not in (None, found):
                self._take_up(session)
            is_done = True
        finally:
            if not is_done:
                connection.close()
        self._session, self._identity, self._is_durable = session, found, True
        return session

    def take_news(self) -> list[str]:
        """How the connection was lost since the last call, where it is back already."""
        news, self._news = self._news, []
        return news

    def _take_up(self, session: Session) -> None:
        """Begin with a file that took the place of another one."""
        patiently(lambda: session.execute("BEGIN IMMEDIATE"), limit_s=self._busy_limit_s)
        session.begin()
        for declare in tuple(self.on_exchange):
            try:
                declare(session)
            except TopologyError:
                continue  # a file that has it otherwise: whoever sends there is told
        session.execute("COMMIT")
        session.touched.clear()
        self.reset_at = time.monotonic()

    def close(self) -> None:
        """Close the file, which folds its log into it if nobody else has it open."""
        if self._session is not None:
            self._session.connection.close()
            self._session = None

    def has_changed(self) -> bool:
        """Whether another process wrote since the last look."""
        if self._session is None:
            return False
        try:
            version = self._session.one("PRAGMA data_version")
        except sqlite3.Error:
            return True  # whoever looks closer will find out
        changed = version != self._data_version
        self._data_version = version
        return bool(changed)

    def take_touched(self) -> set[int]:
        """What was touched by the transactions since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def write(self, requests: Sequence[Request[Any]]) -> list[Outcome]:
        """Carry out requests in one transaction; where one of them fails, each in its own."""
        try:
            return self._transaction(requests)
        except Exception as error:  # noqa: BLE001 - told to whom it concerns, never dropped
            failure = self._failure(error)
            if len(requests) == 1 or is_busy(error) or self._broken is not None:
                return [(request, None, failure) for request in requests]
        return [outcome for request in requests for outcome in self.write([request])]

    @property
    def broken(self) -> str | None:
        """Why nothing can be written until a restart, if so."""
        return self._broken

    def read(self, request: Request[Any]) -> Outcome:
        """Carry out one that only reads."""
        try:
            session = self.session()
            value = patiently(lambda: request.work(session), limit_s=self._busy_limit_s)
        except Exception as error:  # noqa: BLE001 - as above
            return request, None, self._failure(error)
        return request, value, None

    def _transaction(self, requests: Sequence[Request[Any]]) -> list[Outcome]:
        if self._broken is not None:
            raise AccessDenied(self._broken)  # certainly not written
        session = self.session()
        self._set_durable(session, any(request.is_durable for request in requests))
        patiently(lambda: session.execute("BEGIN IMMEDIATE"), limit_s=self._busy_limit_s)
        is_done = False
        try:
            session.begin()
            found: list[Outcome] = [(request, request.work(session), None) for request in requests]
            session.execute("COMMIT")
            is_done = True
        finally:
            if not is_done:
                self._roll_back(session)
        self._touched |= session.touched
        session.touched.clear()
        return found

    def _roll_back(self, session: Session) -> None:
        session.forget()
        if session.connection.in_transaction:
            session.execute("ROLLBACK")

    def _set_durable(self, session: Session, is_durable: bool) -> None:
        # What need not be on the disk at once gets there with the next commit that must: the log
        # is one file, written in order. And if power fails before, nobody was told anything.
        if is_durable is not self._is_durable:
            session.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            self._is_durable = is_durable

    def _failure(self, error: Exception) -> AnyMQError:
        if isinstance(error, sqlite3.Error) and is_lost_sync(error):
            # After a failed sync the system may take what it could not write for written, so no
            # later sync proves anything of this log.
            self._broken = (
                f"{self.file} is only read until a restart, because the disk failed to confirm what"
                f" was written ({error}): check it, then restart every process that has it open"
            )
            return BackendUnavailable(self._broken)
        return translate(error, self.file)


def _is_open(session: Session) -> bool:
    """Whether the connection can be used: not closed by anybody."""
    try:
        return session.connection.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False
