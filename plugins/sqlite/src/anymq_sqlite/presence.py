"""Whether a process of this machine lives: by its id and start, and by a clock nobody sets."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["GONE", "Presence", "boottime", "here", "is_alive"]

GONE = 0
"""The process id of a member that is known to have ended."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A process, told apart from every other that had or will have its id."""

    boot: str
    """Which run of the machine's kernel it belongs to; "" where that is not told."""
    space: str
    """The space of its process id: containers that share a file may each have a process 1."""
    pid: int
    started: int
    """The kernel's ticks at its start; 0 where that is not told."""


def boottime() -> float:
    """Seconds since the machine started, sleep included: the same for every process of it."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def here() -> Presence:
    """This process."""
    pid = os.getpid()
    state = _state(pid)
    return Presence(_boot(), _space(), pid, state[1] if state else 0)


def is_alive(other: Presence, *, beat_at: float, lease_s: float, us: Presence) -> bool:
    """Whether it gave a sign within its lease and, as far as can be seen, has not ended."""
    if other.pid == GONE or other.boot != us.boot or boottime() - beat_at > lease_s:
        return False
    if other.space != us.space:
        return True
    if us.started:
        state = _state(other.pid)
        return state is not None and state[0] not in "ZX" and state[1] == other.started
    return _exists(other.pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _state(pid: int) -> tuple[str, int] | None:
    """The state's letter and the start of a process; None if there is none (or no /proc)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
