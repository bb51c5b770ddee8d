"""Start, find, signal and end processes by their id."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.errors import ServiceError

__all__ = ["Process", "is_alive", "members", "signal_tree", "spawn", "stop", "wait_gone"]

_KILL_WAIT_S = 10.0
"""The kernel ends a killed process at once, unless it hangs in a device."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process for ever: a pid alone may be given to another later."""

    pid: int
    started: int
    """Clock ticks between the machine's start and the process's."""


def spawn(argv: Sequence[str], *, environ: Mapping[str, str], log: Path) -> Process:
    """Start `argv` in a session of its own, its output appended to `log`.

    It outlives this process and inherits neither its locks nor its terminal.

    Raises:
        ServiceError: the program cannot be started.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        pid = os.posix_spawnp(argv[0], list(argv), environ, file_actions=actions, setsid=True)
    except OSError as exc:
        raise ServiceError(f"{argv[0]} cannot be started: {exc.strerror}") from exc
    fields = _stat(pid)
    if fields is None:
        raise ServiceError(f"{argv[0]} ended at once")
    return Process(pid=pid, started=int(fields[19]))


def is_alive(process: Process) -> bool:
    """Tell whether it still runs; one that ended but was not reaped does not."""
    fields = _stat(process.pid)
    return fields is not None and fields[0] not in "ZX" and int(fields[19]) == process.started


def members(process: Process) -> list[int]:
    """Return the pids of the process, its session and all descendants, itself first.

    Empty when nothing of it is left. PostgreSQL's children leave the session, and a shell that
    died leaves orphans in it: hence both.
    """
    table = _table()
    if not is_alive(process) and process.pid in table:
        return []  # the pid belongs to somebody else now
    found = {pid for pid, (_, session) in table.items() if session == process.pid}
    if process.pid in table:
        found.add(process.pid)
    grown = True
    while grown:
        children = {pid for pid, (parent, _) in table.items() if parent in found}
        grown = not children <= found
        found |= children
    return sorted(found, key=lambda pid: (pid != process.pid, pid))


def signal_tree(process: Process, number: signal.Signals) -> None:
    """Send a signal to every member; those that are gone are ignored."""
    for pid in members(process):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def stop(process: Process, *, first: signal.Signals, grace_s: float) -> None:
    """Ask the process to end, wait, then kill whatever of it is left. Idempotent.

    Raises:
        ServiceError: something survived even SIGKILL.
    """
    if is_alive(process):
        signal_tree(process, signal.SIGCONT)  # a paused process cannot hear
        with suppress(ProcessLookupError):
            os.kill(process.pid, first)
        wait_gone(process.pid, wait_s=grace_s)
    left = members(process)
    signal_tree(process, signal.SIGKILL)
    for pid in left:
        if not wait_gone(pid, wait_s=_KILL_WAIT_S):
            raise ServiceError(f"process {pid} survived SIGKILL")


def wait_gone(pid: int, *, wait_s: float) -> bool:
    """Wait until the process has ended; False when it has not within `wait_s` seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + wait_s
        return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
    finally:
        os.close(descriptor)


def _table() -> dict[int, tuple[int, int]]:
    """Return parent and session of every living process by pid."""
    table: dict[int, tuple[int, int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        fields = _stat(int(entry))
        if fields is not None and fields[0] not in "ZX":
            table[int(entry)] = (int(fields[1]), int(fields[3]))
    return table


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the state on, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()  # the name before it may hold anything
