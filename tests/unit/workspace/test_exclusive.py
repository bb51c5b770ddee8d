"""The lock of tests that measure time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.exclusive import hold


def test_only_one_holds_it(tmp_path: Path) -> None:
    """Somebody else's lock is waited for, and not for ever."""
    lock = tmp_path / "lock"
    script = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(1); input()"
    with subprocess.Popen(
        [sys.executable, "-uc", script, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()

        said: list[str] = []
        with hold(lock, wait_s=0.2, tell=said.append) as locked:
            assert not locked
        assert said == [f"waiting for {lock}: somebody measures"]

        other.communicate(b"\n", timeout=10)
    with hold(lock, wait_s=0.2) as locked:
        assert locked


def test_an_inherited_lock_is_not_waited_for(tmp_path: Path) -> None:
    """Under `flock LOCK COMMAND` the command would else wait for its own parent."""
    lock = tmp_path / "lock"
    script = (
        "import sys; from pathlib import Path; from tests.exclusive import hold\n"
        "with hold(Path(sys.argv[1]), wait_s=0) as locked: print(locked)"
    )

    done = subprocess.run(
        ["flock", lock, sys.executable, "-c", script, lock],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )

    assert done.stdout == "True\n"
