"""What became of what the demonstration sent, counted and shown."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from rich.console import Group
from rich.progress import Progress
from rich.table import Table

__all__ = ["Tally", "draw"]

_SHOWN = 8


@dataclass(slots=True)
class Tally:
    """Counts by HTTP status, and the last few people."""

    answers: Counter[str] = field(default_factory=Counter)
    latest: deque[tuple[str, str, str]] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    """Name, vendor and answer."""

    def note(self, name: str, vendor: str, answer: str) -> None:
        self.answers[answer] += 1
        self.latest.append((name, vendor, answer))

    @property
    def sent(self) -> int:
        """How many the site took."""
        return self.answers["202"]

    def summary(self) -> str:
        """One line."""
        others = {answer: n for answer, n in sorted(self.answers.items()) if answer != "202"}
        refused = "".join(f", {n} answered {answer}" for answer, n in others.items())
        return f"{self.sent} messengers sent{refused}"


def draw(tally: Tally, progress: Progress) -> Group:
    """The table and the progress bar."""
    table = Table("messenger", "vendor", "answer", title=tally.summary(), expand=True)
    for row in reversed(tally.latest):
        table.add_row(*row)
    return Group(table, progress)
