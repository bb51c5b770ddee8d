"""Whose turn it is among the processes of one parallel test session: many that share, or one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["turn"]


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Run a block beside others that share, or alone once those that run have ended.

    Whoever wants to be alone holds the gate while it waits, so that nobody starts before it.
    There is no time limit here: each holder is a test, and those have one.
    """
    inside = _open(folder / "inside")
    try:
        gate = _open(folder / "gate")
        try:
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(inside, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        finally:
            os.close(gate)  # which also lets go of it
        yield
    finally:
        os.close(inside)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
