"""How the processes of one parallel test session take turns."""

from __future__ import annotations

import fcntl
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.turns import turn

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 10
MOMENT_S = 0.1


def test_many_share(tmp_path: Path) -> None:
    """What does not measure runs side by side."""
    with turn(tmp_path, alone=False), _started(tmp_path, alone=False) as other:
        other.join(LIMIT_S)
        assert not other.is_alive()


def test_one_is_alone(tmp_path: Path) -> None:
    """Nobody else starts before it has ended."""
    with turn(tmp_path, alone=True), _started(tmp_path, alone=False) as other:
        other.join(MOMENT_S)
        assert other.is_alive()


def test_who_waits_to_be_alone_goes_first(tmp_path: Path) -> None:
    """Others that keep coming would else never let it start."""
    with turn(tmp_path, alone=False), _started(tmp_path, alone=True) as loner:
        until = time.monotonic() + LIMIT_S
        while not _is_locked(tmp_path / "gate"):
            assert time.monotonic() < until
            loner.join(MOMENT_S)

        with _started(tmp_path, alone=False) as other:
            other.join(MOMENT_S)
            assert other.is_alive()
            assert loner.is_alive()


@contextmanager
def _started(folder: Path, *, alone: bool) -> Iterator[threading.Thread]:
    """Somebody who takes a turn, and has had it by the end of this test."""

    def take() -> None:
        with turn(folder, alone=alone):
            pass

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    yield thread


def _is_locked(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
