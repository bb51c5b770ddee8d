"""What the server's own tables say of a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anymq.abc import GroupState
from anymq_redis.keys import RETURNED_TO

__all__ = ["Member", "state_of"]


@dataclass(frozen=True, slots=True)
class Member:
    """One consumer of one stream."""

    name: bytes
    held: int
    idle_s: float
    """Since its last command; waiting counts as one."""

    @classmethod
    def of(cls, info: Sequence[Any]) -> Member:
        """From one element of XINFO CONSUMERS."""
        facts = _pairs(info)
        return cls(facts[b"name"], int(facts[b"pending"]), int(facts[b"idle"]) / 1000)


def state_of(
    topic: str,
    group: str,
    *,
    infos: Sequence[Sequence[Sequence[Any]]],
    consumers: Sequence[Member],
    delayed: int,
    dead: int,
    gone_s: float,
) -> GroupState:
    """Add up the streams of a group: ``infos`` is XINFO GROUPS of each."""
    rows = [
        facts for info in infos for facts in map(_pairs, info) if facts[b"name"].decode() == group
    ]
    lags = [facts.get(b"lag") for facts in rows]
    members = [member for member in consumers if member.name != RETURNED_TO.encode()]
    returned = sum(member.held for member in consumers if member.name == RETURNED_TO.encode())
    here = {member.name for member in members if member.idle_s < gone_s}
    idle_s = min((member.idle_s for member in members), default=None)
    return GroupState(
        topic=topic,
        name=group,
        ready=None if None in lags else returned + sum(int(lag) for lag in lags if lag is not None),
        in_flight=sum(int(facts[b"pending"]) for facts in rows) - returned,
        delayed=delayed,
        dead=dead,
        members=len(here),
        idle_s=0.0 if here else idle_s,
    )


def _pairs(flat: Sequence[Any]) -> dict[bytes, Any]:
    pairs = iter(flat)
    return dict(zip(pairs, pairs, strict=True))
