"""What stands beside a committed offset: what is settled beyond it, and how often it was tried."""

from __future__ import annotations

import json
from dataclasses import dataclass

__all__ = ["MAX_TEXT", "CommitNote"]

MAX_TEXT = 3800
"""Brokers take 4096 bytes of metadata unless told otherwise (offset.metadata.max.bytes)."""


@dataclass(frozen=True, slots=True)
class CommitNote:
    """The metadata of one commit. Foreign commits have none, which reads as the defaults."""

    takeovers: int = 0
    """How often an owner was lost with records handed out, at this very position."""
    window: int = 0
    """At most so many unsettled records behind the position are handed out; 0 on a clean end."""
    is_orderly: bool = False
    """The owner left in good order: what it gave back is not counted as a takeover."""
    reach: int = 0
    """Everything before it is settled, as far behind the position as it is …"""
    holes: tuple[int, ...] = ()
    """… but these, ascending."""
    out: tuple[int, ...] = ()
    """Exactly these are handed out, where that is known; else the first ``window`` may be."""

    def is_settled(self, offset: int) -> bool:
        """Whether a record behind the committed position was settled already."""
        return offset < self.reach and offset not in self.holes

    def encode(self, position: int) -> str:
        """As text, offsets relative to the committed position; "" if there is nothing to say.

        Too many holes are cut from the end: what is then not known as settled comes again.
        """
        holes = [hole - position for hole in self.holes]
        out = [offset - position for offset in self.out]
        reach = max(self.reach - position, 0)
        text = self._text(reach, holes, out)
        while len(text) > MAX_TEXT:
            cut = len(holes) // 2
            reach, holes = holes[cut], holes[:cut]
            text = self._text(reach, holes, out)
        return text

    def _text(self, reach: int, holes: list[int], out: list[int]) -> str:
        named = {
            "t": self.takeovers,
            "w": self.window,
            "o": int(self.is_orderly),
            "r": reach,
            "h": holes,
            "x": out,
        }
        found = {name: value for name, value in named.items() if value}
        return json.dumps(found, separators=(",", ":")) if found else ""

    @classmethod
    def decode(cls, text: str | None, position: int) -> CommitNote:
        """Read metadata; what is not ours, or not readable, is no note."""
        try:
            found = json.loads(text or "{}")
            return cls(
                takeovers=int(found.get("t", 0)),
                window=int(found.get("w", 0)),
                is_orderly=bool(found.get("o", 0)),
                reach=position + int(found.get("r", 0)),
                holes=tuple(position + int(hole) for hole in found.get("h", ())),
                out=tuple(position + int(offset) for offset in found.get("x", ())),
            )
        except (ValueError, TypeError, AttributeError):
            return cls()
