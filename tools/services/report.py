"""What the commands print."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TextIO

from services.board import Board
from services.errors import ServiceError

__all__ = ["Console", "Line", "table", "to_json"]

_GREEN, _RED, _YELLOW, _DIM, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
_COLOURS = {
    "running": _GREEN,
    "external": _GREEN,
    "paused": _YELLOW,
    "unhealthy": _RED,
    "stopped": _DIM,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One server in a report."""

    name: str
    state: str
    """`running`, `paused`, `unhealthy` (alive but does not answer), `stopped` or `external`."""
    version: str = ""
    url: str = ""
    proxy_url: str = ""
    pid: int | None = None
    log: str = ""


class Console:
    """Progress for people, on stderr: a line per step, or per server where that is a terminal."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._began = time.monotonic()
        self._board: Board | None = None

    @contextmanager
    def progress(self) -> Iterator[None]:
        """Redraw one line per server meanwhile, if this is a terminal."""
        if not self._stream.isatty():
            yield
            return
        with Board(self._stream) as self._board:
            yield
        self._board = None

    def step(self, name: str, what: str) -> None:
        """Say what happens to a server now, with the seconds since the command began."""
        self._say(name, what, "busy")

    def done(self, name: str, what: str) -> None:
        """Say what has become of a server."""
        self._say(name, what, "done")

    def failed(self, name: str) -> None:
        """Mark a server whose error is going to be told."""
        if self._board is not None:
            self._board.say(name, "failed", state="failed")

    def _say(self, name: str, what: str, state: str) -> None:
        if self._board is not None:
            self._board.say(name, what, state=state)
            return
        elapsed = time.monotonic() - self._began
        print(f"{name:<10} {elapsed:6.1f} s  {what}", file=self._stream, flush=True)

    def error(self, name: str, error: ServiceError) -> None:
        """Give the details first, so that the summary is what one sees last."""
        for line in error.details:
            print(_paint(f"{name:<10}   | {line}", _DIM, self._stream), file=self._stream)
        summary = _paint(f"{name:<10} {error.summary}", _RED, self._stream)
        print(summary, file=self._stream, flush=True)


def table(lines: Sequence[Line], *, stream: TextIO) -> str:
    """Lay out the lines in columns; coloured when `stream` is a terminal."""
    rows = [("SERVER", "STATE", "VERSION", "PID", "URL", "PROXY")]
    rows += [(x.name, x.state, x.version, str(x.pid or ""), x.url, x.proxy_url) for x in lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    out = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[1] = _paint(cells[1], _COLOURS.get(row[1], ""), stream)
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def to_json(lines: Sequence[Line]) -> str:
    """Return the lines as a JSON array of objects, one per server."""
    return json.dumps([asdict(line) for line in lines], indent=2)


def _paint(text: str, colour: str, stream: TextIO) -> str:
    is_wanted = stream.isatty() and not os.environ.get("NO_COLOR")
    return f"{colour}{text}{_PLAIN}" if colour and is_wanted else text
