"""What the processes of a loss test noted, read as it grows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["LossRecord"]


@dataclass(slots=True)
class LossRecord:
    """Counts of all logs in a folder; ``read`` takes in what was added."""

    folder: Path
    tried: set[int] = field(default_factory=set)
    confirmed: set[int] = field(default_factory=set)
    unknown: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    handled: Counter[int] = field(default_factory=Counter)
    unflagged: Counter[int] = field(default_factory=Counter)
    _read: dict[Path, int] = field(default_factory=dict)

    def read(self) -> None:
        """Take in what the logs have more than before."""
        for path in sorted(self.folder.glob("*.log")):
            with path.open("rb") as log:
                log.seek(self._read.get(path, 0))
                text = log.read()
            whole = text.rfind(b"\n") + 1
            self._read[path] = self._read.get(path, 0) + whole
            for line in text[:whole].splitlines():
                self._take(line.decode())

    def _take(self, line: str) -> None:
        kind, number, *flag = line.split()
        key = int(number)
        if kind == "t":
            self.tried.add(key)
        elif kind == "c":
            self.confirmed.add(key)
        elif kind == "u":
            self.unknown[key] += 1
        elif kind == "f":
            self.refused[key] += 1
        else:
            self.handled[key] += 1
            self.unflagged[key] += flag == ["0"]

    @property
    def lost(self) -> set[int]:
        """Confirmed, and not handled (yet)."""
        return self.confirmed - self.handled.keys()

    @property
    def extras(self) -> int:
        """Calls of the handler beyond the first."""
        return self.handled.total() - len(self.handled)

    def counters(self) -> dict[str, int]:
        """The seven of a run, and how often a publish was refused for want of room."""
        return {
            "attempted": len(self.tried),
            "confirmed": len(self.confirmed),
            "unknown": self.unknown.total(),
            "handled": len(self.handled),
            "duplicated": self.extras,
            "lost": len(self.lost),
            "unexpected": len(self.handled.keys() - self.tried),
            "refused": self.refused.total(),
        }
