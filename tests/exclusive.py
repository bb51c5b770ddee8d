"""The machine-wide lock of tests and benchmarks that measure time."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["hold", "lock_path"]

STEP_S = 0.1


def lock_path() -> Path:
    """Return the file that is locked: one for the whole machine, unless the environment says."""
    default = Path(tempfile.gettempdir()) / "anymq-exclusive.lock"
    return Path(os.environ.get("ANYMQ_TEST_EXCLUSIVE_LOCK", default))


@contextmanager
def hold(
    path: Path, *, wait_s: float, tell: Callable[[str], object] = lambda line: None
) -> Iterator[bool]:
    """Hold the lock for a block; yields whether it was had within `wait_s` seconds.

    Nothing is locked where the lock was inherited, as under `flock LOCK COMMAND`. `tell` gets one
    line if there is a wait.
    """
    if _is_inherited(path):
        yield True
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if not (locked := _lock(descriptor, 0)):
            tell(f"waiting for {path}: somebody measures")
            locked = _lock(descriptor, wait_s)
        yield locked
    finally:
        os.close(descriptor)  # which also lets go of the lock


def _lock(descriptor: int, wait_s: float) -> bool:
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(STEP_S)  # flock has no time limit of its own
        else:
            return True


def _is_inherited(path: Path) -> bool:
    """Whether this process holds the file open already: only whoever started it can have."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return False
    return any(_target(entry) == str(path) for entry in folder.iterdir())


def _target(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except FileNotFoundError:  # the descriptor that listed the folder
        return ""
