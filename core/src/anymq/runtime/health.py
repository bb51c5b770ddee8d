"""Health of an application: alive, ready, and why not."""

from __future__ import annotations

from dataclasses import dataclass, field

from anymq.abc import Health

__all__ = ["AppHealth", "combine"]


@dataclass(frozen=True, slots=True)
class AppHealth:
    """``live``: the process is worth keeping. ``ready``: it does what it is for, now."""

    live: bool
    ready: bool
    status: str
    backend: Health
    subscribers: dict[str, str] = field(default_factory=dict)
    """Per subscriber: running, paused, stopped, or the error that ended it."""
    checks: dict[str, str] = field(default_factory=dict)


def combine(
    state: str, backend: Health, subscribers: dict[str, str], checks: dict[str, str]
) -> AppHealth:
    """The application's health from that of its parts."""
    broken = [name for name, text in subscribers.items() if text not in ("running", "paused")]
    bad_checks = [name for name, text in checks.items() if text not in ("up", "degraded")]
    ready = state == "running" and backend.status != "down" and not broken and not bad_checks
    is_degraded = backend.status == "degraded" or "degraded" in checks.values()
    return AppHealth(
        live=state not in ("closed",),
        ready=ready,
        status=("degraded" if is_degraded else "up") if ready else "down",
        backend=backend,
        subscribers=subscribers,
        checks=checks,
    )
