"""Real processes, started and ended by their id."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from services.errors import ServiceError
from services.process import (
    Process,
    is_alive,
    is_paused,
    kill_tree,
    members,
    signal_tree,
    spawn,
    stop,
    wait_gone,
)

__all__: list[str] = []

_LIMIT_S = 10.0


def _eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        os.sched_yield()


def _spawn(tmp_path: Path, *argv: str) -> Process:
    return spawn(argv, environ=os.environ, log=tmp_path / "log")


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    """Both streams, appended."""
    process = _spawn(tmp_path, "sh", "-c", "echo out; echo err >&2")

    assert wait_gone(process, wait_s=_LIMIT_S)
    assert (tmp_path / "log").read_text(encoding="utf-8").split() == ["out", "err"]
    assert not is_alive(process)


def test_missing_program_is_named(tmp_path: Path) -> None:
    """The error says which program could not be started."""
    with pytest.raises(ServiceError, match="no-such-program"):
        _spawn(tmp_path, "no-such-program")


def test_kill_ends_children_in_sessions_of_their_own(tmp_path: Path) -> None:
    """PostgreSQL's children leave the session; they end all the same."""
    process = _spawn(tmp_path, "sh", "-c", "setsid sleep 300 & sleep 300 & wait")
    _eventually(lambda: len(members(process)) == 3)
    started = members(process)

    kill_tree(process)

    assert [p for p in started if is_alive(p)] == []


def test_stop_asks_first(tmp_path: Path) -> None:
    """A process that ends by itself has the time to do so."""
    marker = tmp_path / "ready"
    script = f"trap 'echo bye; exit' TERM; touch {marker}; while :; do sleep 0.05; done"
    process = _spawn(tmp_path, "sh", "-c", script)
    _eventually(marker.exists)

    stop(process, first=signal.SIGTERM, grace_s=_LIMIT_S)

    assert (tmp_path / "log").read_text(encoding="utf-8") == "bye\n"
    assert members(process) == []


def test_stop_kills_what_does_not_listen(tmp_path: Path) -> None:
    """Neither an ignored signal nor a paused process keeps it alive; stopping twice is fine."""
    marker = tmp_path / "ready"
    script = f"trap '' TERM; touch {marker}; while :; do sleep 0.05; done"
    process = _spawn(tmp_path, "sh", "-c", script)
    _eventually(marker.exists)
    signal_tree(process, signal.SIGSTOP)
    _eventually(lambda: is_paused(process))

    stop(process, first=signal.SIGTERM, grace_s=0.1)
    stop(process, first=signal.SIGTERM, grace_s=0.1)

    assert not is_alive(process)


def test_pid_of_somebody_else_is_left_alone() -> None:
    """A pid that was given to another process since is not ours to touch."""
    stranger = Process(pid=os.getpid(), started=0)

    kill_tree(stranger)
    stop(stranger, first=signal.SIGTERM, grace_s=0.0)

    assert members(stranger) == []
    assert not is_alive(stranger)


def test_wait_is_bounded(tmp_path: Path) -> None:
    """A process that lives on is told after the limit."""
    process = _spawn(tmp_path, "sleep", "300")
    try:
        assert not wait_gone(process, wait_s=0.05)
    finally:
        kill_tree(process)
