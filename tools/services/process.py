"""Start, find, signal and end processes by their id."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.errors import ServiceError

__all__ = [
    "Process",
    "is_alive",
    "is_paused",
    "kill_tree",
    "members",
    "signal_tree",
    "spawn",
    "stop",
    "wait_gone",
]

_KILL_WAIT_S = 10.0
"""The kernel ends a killed process at once, unless it hangs in a device."""
_ENDED = frozenset("ZX")
"""States of processes that ended but that nobody has reaped yet."""


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
    entry = _entry(pid)
    if entry is None:
        raise ServiceError(f"{argv[0]} ended at once")
    return entry.process


def is_alive(process: Process) -> bool:
    """Tell whether it still runs; one that ended but was not reaped does not."""
    entry = _entry(process.pid)
    return entry is not None and entry.process == process and entry.state not in _ENDED


def members(process: Process) -> list[Process]:
    """Return the process, its session and all descendants, itself first.

    Empty when nothing of it is left. PostgreSQL's and Erlang's children leave the session, and a
    parent that died leaves orphans in it: hence both.
    """
    table = _table()
    root = table.get(process.pid)
    if root is not None and root.process != process:
        return []  # the pid belongs to somebody else now
    found = {pid for pid, entry in table.items() if process.pid in (pid, entry.session)}
    grown = True
    while grown:
        children = {pid for pid, entry in table.items() if entry.parent in found}
        grown = not children <= found
        found |= children
    ordered = sorted(found, key=lambda pid: (pid != process.pid, pid))
    return [table[pid].process for pid in ordered]


def is_paused(process: Process) -> bool:
    """Tell whether it is stopped by SIGSTOP."""
    entry = _entry(process.pid)
    return entry is not None and entry.process == process and entry.state == "T"


def signal_tree(process: Process, number: signal.Signals) -> list[Process]:
    """Send a signal to every member, the process itself first; return those it was sent to."""
    targets = members(process)
    for target in targets:
        _send(target, number)
    return targets


def kill_tree(process: Process) -> None:
    """End every member by SIGKILL, as a crash would, and wait until all are gone.

    Raises:
        ServiceError: something survived.
    """
    _await_all_gone(signal_tree(process, signal.SIGKILL))


def stop(process: Process, *, first: signal.Signals, grace_s: float) -> None:
    """Ask the process to end, wait, then kill whatever of it is left. Idempotent.

    Raises:
        ServiceError: something survived even SIGKILL.
    """
    started = members(process)  # before: children in other sessions are not found once it is dead
    if is_alive(process):
        signal_tree(process, signal.SIGCONT)  # a paused process cannot hear
        _send(process, first)
        wait_gone(process, wait_s=grace_s)
    for target in started:
        _send(target, signal.SIGKILL)
    kill_tree(process)
    _await_all_gone(started)


def wait_gone(process: Process, *, wait_s: float) -> bool:
    """Wait until the process has ended; False when it has not within `wait_s` seconds."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not is_alive(process):
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(max(0.0, wait_s) * 1000))
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What /proc tells of one process."""

    process: Process
    state: str
    parent: int
    session: int


def _send(process: Process, number: signal.Signals) -> None:
    if is_alive(process):
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _await_all_gone(processes: Sequence[Process]) -> None:
    for process in processes:
        if not wait_gone(process, wait_s=_KILL_WAIT_S):
            raise ServiceError(f"process {process.pid} survived SIGKILL")


def _table() -> dict[int, _Entry]:
    """Return every living process by pid."""
    entries = (_entry(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {e.process.pid: e for e in entries if e is not None and e.state not in _ENDED}


def _entry(pid: int) -> _Entry | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold anything
    process = Process(pid=pid, started=int(fields[19]))
    return _Entry(process, fields[0], parent=int(fields[1]), session=int(fields[3]))
