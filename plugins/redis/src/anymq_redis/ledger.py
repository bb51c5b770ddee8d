"""Which messages the server has although it could not say so: its reply was lost on the way.

Every call that sends has a number, and the script notes the last one that was carried out. Before
a new connection is used, the sender asks for that number, and has the server refuse whatever an
old connection may still bring. So a repeated message is known to be there already, or is sent; it
costs one note for each call, however many messages it carries.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anymq.message import Message
from anymq_redis.link import Argument, Command
from anymq_redis.scripts import script

__all__ = ["Call", "Ledger"]

REMEMBERED_S = 60.0
"""Longer than a publish repeats an unknown outcome; a later equal message is meant to be new."""

Address = tuple[str, str | None, str, str]
Entry = Sequence[Argument]


@dataclass(slots=True)
class Call:
    """One numbered script call and what it carries."""

    number: int
    messages: Sequence[Message]
    entries: Sequence[Entry]


class Ledger:
    """The numbers of one sender, whose exchanges follow one another."""

    def __init__(self, marker: str) -> None:
        self.marker = marker
        """The key of the note."""
        self._numbered = self._begun = self._floor = 0
        self._open: dict[int, Call] = {}
        self._stored: dict[Address, tuple[Entry, float]] = {}

    @property
    def is_unsure(self) -> bool:
        """Calls were sent whose replies are lost: connect, and ``hear``, before repeating them."""
        return bool(self._open)

    @property
    def remembers(self) -> bool:
        """Whether ``take`` may find anything."""
        return bool(self._stored)

    def number(self, messages: Sequence[Message], entries: Sequence[Entry]) -> Call:
        """Give the next call its number."""
        self._numbered += 1
        return Call(self._numbered, messages, entries)

    def begin(self, calls: Sequence[Call]) -> None:
        """These are about to be sent, in one exchange."""
        self._begun = calls[-1].number
        self._open.update((call.number, call) for call in calls)

    def end(self, calls: Sequence[Call], *, is_answered: bool) -> None:
        """The exchange is over; without an answer, nobody knows yet what was carried out."""
        if calls[0].number not in self._open:
            return  # never their turn: nothing was sent
        self._floor = self._begun
        if is_answered:
            for call in calls:
                self._open.pop(call.number, None)

    def ask(self) -> Command:
        """What to ask on a new connection, first of all."""
        return (*script("fence", 1), self.marker, self._floor)

    def hear(self, reply: Any) -> None:
        """The answer: number of the last call that was carried out, and which of it was refused."""
        number, _, places = reply.decode().partition(":")
        refused = {int(place) for place in places.split(",")} if places else set()
        now = time.monotonic()
        self._stored = {k: kept for k, kept in self._stored.items() if kept[1] > now}
        for call in [call for call in self._open.values() if call.number <= self._floor]:
            del self._open[call.number]
            if number == str(call.number):
                self._note(call, refused, now + REMEMBERED_S)

    def take(self, message: Message, entry: Entry) -> bool:
        """Whether this very message is there already. Says so once."""
        address = _address(message)
        found = self._stored.get(address)
        if found is None or found[0] != entry or found[1] <= time.monotonic():
            return False
        del self._stored[address]
        return True

    def _note(self, call: Call, refused: set[int], until: float) -> None:
        for place, (message, entry) in enumerate(zip(call.messages, call.entries, strict=True)):
            if place not in refused:
                self._stored[_address(message)] = (entry, until)


def _address(message: Message) -> Address:
    return message.topic, message.group, message.lane, message.id
