"""One line per server on a terminal, redrawn in place while something happens."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO

__all__ = ["Board"]

_EVERY_S = 0.1
_JOIN_S = 2.0
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MARKS = {"done": "\x1b[32m✔\x1b[0m", "failed": "\x1b[31m✘\x1b[0m"}


@dataclass(slots=True)
class _Row:
    what: str
    state: str
    """`busy`, `done` or `failed`."""
    began: float
    took_s: float | None = None


class Board:
    """Draws what `say` is told, from any thread, until the context ends; the last state stays."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows: dict[str, _Row] = {}
        self._drawn = 0
        self._lock = threading.Lock()  # guards the rows and the terminal
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._animate, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join(_JOIN_S)
        with self._lock:
            self._draw()

    def say(self, name: str, what: str, *, state: str = "busy") -> None:
        """Set the line of a server, whose first line starts its clock."""
        with self._lock:
            row = self._rows.setdefault(name, _Row(what, state, time.monotonic()))
            row.what, row.state = what, state
            row.took_s = None if state == "busy" else time.monotonic() - row.began

    def _animate(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            with self._lock, suppress(OSError):
                self._draw()

    def _draw(self) -> None:
        now = time.monotonic()
        width = shutil.get_terminal_size().columns - 1
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        lines = [_line(name, row, now, width) for name, row in self._rows.items()]
        self._stream.write(up + "".join(f"\r\x1b[2K{line}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)


def _line(name: str, row: _Row, now: float, width: int) -> str:
    took_s = now - row.began if row.took_s is None else row.took_s
    mark = _MARKS.get(row.state) or _SPINNER[int(now / _EVERY_S) % len(_SPINNER)]
    text = f" {name:<10} {took_s:6.1f} s  {row.what}"
    return mark + text[: max(0, width - 1)]
