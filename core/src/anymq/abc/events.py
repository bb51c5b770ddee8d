"""What a backend tells about its own condition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["BackendEvent", "EventKind", "Health", "HealthStatus"]

EventKind = Literal["connected", "lost", "recovered", "degraded"]
HealthStatus = Literal["up", "degraded", "down"]


@dataclass(frozen=True, slots=True)
class BackendEvent:
    """A change of condition. ``detail`` is for people and holds no secret and no body."""

    kind: EventKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """A backend's condition at one moment; ``facts`` are further lines for the operator."""

    status: HealthStatus
    detail: str = ""
    facts: dict[str, str] = field(default_factory=dict)
