"""Lies about what groups committed: kept where, for whom, and in which direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anymq.abc import Record
from tests.conformance.broken_streams.lie import LyingReader, LyingStream, StreamLie, lie

__all__ = [
    "CommitComparesText",
    "CommitIsIgnored",
    "CommitIsOfTheConnection",
    "CommitIsOfTheGroupAnywhere",
    "CommitIsShared",
    "CommitMovesBack",
    "CommitTakesAnything",
    "EveryGroupHasBegun",
    "ReaderMovesTheGroups",
]


class _Committing(LyingStream):
    """Keeps positions in its own way."""

    def _kept(self) -> dict[tuple[str, str], str]:
        return self._space.committed

    async def commit(self, stream: str, group: str, position: str) -> None:
        self._log(stream).offset_at(position)
        self._keep((stream, group), position)

    def _keep(self, key: tuple[str, str], position: str) -> None:
        self._kept()[key] = max(self._kept().get(key, "0"), position, key=int)

    async def committed(self, stream: str, group: str) -> str | None:
        return self._kept().get((stream, group))


def _commits(name: str, says: str, *caught_by: str, **methods: Any) -> StreamLie:
    return lie(name, says, *caught_by)(type(name, (_Committing,), methods))


def _always(self: Any, key: tuple[str, str], position: str) -> None:
    self._kept()[key] = position


def _if_later_as_text(self: Any, key: tuple[str, str], position: str) -> None:
    if position > self._kept().get(key, ""):
        self._kept()[key] = position


async def _committed_or_begin(self: Any, stream: str, group: str) -> str:
    return str(self._kept().get((stream, group), "0"))


async def _of_any_group(self: Any, stream: str, group: str) -> str | None:
    found = [p for (s, _), p in self._kept().items() if s == stream]
    return max(found, key=int) if found else None


async def _of_any_stream(self: Any, stream: str, group: str) -> str | None:
    found = [p for (_, g), p in self._kept().items() if g == group]
    return max(found, key=int) if found else None


CommitMovesBack = _commits("commit-moves-back", "the last commit counts", "GRP-06", _keep=_always)
CommitComparesText = _commits(
    "commit-compares-text", "position 10 is before 9", "GRP-06", _keep=_if_later_as_text
)
CommitIsIgnored = _commits("commit-is-ignored", "nothing is kept", "GRP-06", _keep=lambda *_: None)
CommitIsOfTheConnection = _commits(
    "commit-is-of-the-connection",
    "a commit ends with the connection",
    "GRP-06",
    _kept=lambda self: self.__dict__.setdefault("_own", {}),
)
EveryGroupHasBegun = _commits(
    "every-group-has-begun",
    "who never committed stands at 0",
    "GRP-06",
    committed=_committed_or_begin,
)
CommitIsShared = _commits(
    "commit-is-shared", "a commit moves every group", "GRP-06", committed=_of_any_group
)
CommitIsOfTheGroupAnywhere = _commits(
    "commit-is-of-the-group-anywhere",
    "a commit counts for all streams",
    "DEL-04",
    committed=_of_any_stream,
)


@lie("commit-takes-anything", "what is no position is kept as one", "GRP-06")
class CommitTakesAnything(LyingStream):
    async def commit(self, stream: str, group: str, position: str) -> None:
        if position.isdecimal():
            await super().commit(stream, group, position)
        else:
            self._space.committed[stream, group] = position


@lie("reader-moves-the-groups", "reading is as good as a commit", "GRP-06")
class ReaderMovesTheGroups(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        kept = self.stream._space.committed
        for key in [key for key in kept if key[0] == self.log.spec.name and found]:
            kept[key] = max(kept[key], found[-1].position, key=int)
        return found
