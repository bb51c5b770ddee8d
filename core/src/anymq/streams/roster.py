"""Roster: who is in a group and which partitions each member has, as a log of beats tells it.

Every member appends to one log and reads it, so all see the same order: of two that claim a
partition the first in the log has it. No clock of one machine is compared with another's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Entry", "Kind", "Roster", "decode_entry", "encode_entry"]

Kind = Literal["beat", "leave", "expire"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    kind: Kind
    group: str
    member: str
    """Who it is about: the writer, except that anybody may say that a member expired."""
    number: int
    """Of the beat; for ``expire`` the last beat that was seen of the member."""
    lease_s: float = 0.0
    """How long the member may be silent."""
    holds: frozenset[int] = frozenset()
    """Partitions it has."""
    wants: frozenset[int] = frozenset()
    """Partitions it takes if nobody has them."""


@dataclass(slots=True)
class _Member:
    number: int
    lease_s: float
    holds: frozenset[int] = field(default_factory=frozenset)
    wants: frozenset[int] = field(default_factory=frozenset)


class Roster:
    """The state that the entries of one group lead to. Pure: it waits for nothing."""

    def __init__(self, group: str, partitions: int) -> None:
        self._group = group
        self._partitions = partitions
        self._members: dict[str, _Member] = {}
        self._holders: dict[int, str] = {}
        self._gone: set[str] = set()

    @property
    def members(self) -> tuple[str, ...]:
        """Everybody who is in it, in an order that is the same for all."""
        return tuple(sorted(self._members))

    def number_of(self, member: str) -> int:
        """The last beat seen of a member."""
        return self._members[member].number

    def lease_of(self, member: str) -> float:
        """How long a member may be silent, in seconds."""
        return self._members[member].lease_s

    def is_gone(self, member: str) -> bool:
        """Whether a member has left or expired; it never comes back under this id."""
        return member in self._gone

    def held_by(self, member: str) -> frozenset[int]:
        """The partitions that a member has."""
        return frozenset(p for p, holder in self._holders.items() if holder == member)

    def free(self) -> frozenset[int]:
        """The partitions that nobody has."""
        return frozenset(range(self._partitions)) - self._holders.keys()

    def apply(self, entry: Entry) -> None:
        """Take the next entry of the log."""
        if entry.group != self._group or entry.member in self._gone:
            return
        if entry.kind == "beat":
            self._beat(entry)
        elif entry.kind == "leave" or not self._has_beaten_since(entry):
            self._remove(entry.member)

    def shares(self) -> dict[str, frozenset[int]]:
        """Which partitions each member should have: even shares, and as little as may be moved."""
        members = self.members
        if not members:
            return {}
        least, more = divmod(self._partitions, len(members))
        held = {member: sorted(self.held_by(member)) for member in members}
        # Who has more than the least keeps it, as far as there is more to be had.
        favoured = sorted(members, key=lambda member: (-len(held[member]), member))[:more]
        room = {member: least + (member in favoured) for member in members}
        shares = {member: set(held[member][: room[member]]) for member in members}
        kept = set().union(*shares.values())
        left = [p for p in range(self._partitions) if p not in kept]
        for member in members:
            while left and len(shares[member]) < room[member]:
                shares[member].add(left.pop(0))
        return {member: frozenset(share) for member, share in shares.items()}

    def _beat(self, entry: Entry) -> None:
        holds = frozenset(p for p in entry.holds if 0 <= p < self._partitions)
        wants = frozenset(p for p in entry.wants if 0 <= p < self._partitions)
        self._members[entry.member] = _Member(entry.number, entry.lease_s, holds, wants)
        for partition in self.held_by(entry.member) - holds - wants:
            self._release(partition)
        for partition in holds:
            holder = self._holders.get(partition)
            # Whoever reads the log from its middle may have seen a claim that came to nothing.
            if holder is None or partition not in self._members[holder].holds:
                self._holders[partition] = entry.member
        for partition in wants:
            self._holders.setdefault(partition, entry.member)

    def _has_beaten_since(self, expiry: Entry) -> bool:
        """Whether whoever says that a member expired had not yet seen its last beat."""
        member = self._members.get(expiry.member)
        return member is not None and member.number > expiry.number

    def _remove(self, member: str) -> None:
        self._gone.add(member)
        if self._members.pop(member, None) is None:
            return
        for partition in self.held_by(member):
            self._release(partition)

    def _release(self, partition: int) -> None:
        del self._holders[partition]
        for member in self.members:
            if partition in self._members[member].holds:
                self._holders[partition] = member
                return


def encode_entry(entry: Entry) -> bytes:
    """As the body of a record."""
    fields: dict[str, Any] = {
        "kind": entry.kind,
        "group": entry.group,
        "member": entry.member,
        "number": entry.number,
        "lease_s": entry.lease_s,
        "holds": sorted(entry.holds),
        "wants": sorted(entry.wants),
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def decode_entry(body: bytes) -> Entry | None:
    """The entry of a record; None for what is none."""
    try:
        fields = json.loads(body)
        kind = fields["kind"]
        if kind not in ("beat", "leave", "expire"):
            return None
        return Entry(
            kind,
            str(fields["group"]),
            str(fields["member"]),
            int(fields["number"]),
            float(fields["lease_s"]),
            frozenset(map(int, fields["holds"])),
            frozenset(map(int, fields["wants"])),
        )
    except (ValueError, TypeError, KeyError):
        return None
