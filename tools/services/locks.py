"""One command at a time for each server, across processes and threads."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.errors import ServiceError

__all__ = ["exclusive"]

_RETRY_S = 0.1
"""flock has no time limit of its own, so a busy lock is asked for this often."""


@contextmanager
def exclusive(path: Path, *, wait_s: float) -> Iterator[None]:
    """Hold the lock file `path`, which is created and never removed.

    The kernel releases the lock when this process dies, and started servers do not inherit it.

    Raises:
        ServiceError: another holder kept it longer than `wait_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, path, time.monotonic() + wait_s)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise ServiceError(f"another services command has held {path} too long") from None
            time.sleep(_RETRY_S)
        else:
            return
