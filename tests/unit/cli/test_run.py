"""``anymq run``: one process, several, and one that starts anew when code changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anymq.cli.supervisor import Supervisor, code_stamps
from tests.unit.cli.conftest import MARS, Run

RUNNING = """
import os
from contextlib import asynccontextmanager
from pathlib import Path

from anymq import App

@asynccontextmanager
async def lifespan(app):
    marker = Path(f"running-{os.getpid()}")
    marker.touch()
    yield
    marker.rename(f"stopped-{os.getpid()}")

app = App("memory://run", lifespan=lifespan)
"""

LIMIT_S = 30


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)


def _pids(folder: Path, what: str = "running") -> set[int]:
    return {int(path.name.rpartition("-")[2]) for path in folder.glob(f"{what}-*")}


@pytest.fixture
def works(folder: Path) -> Iterator[Path]:
    """A working application; processes that a failed test left behind are ended."""
    (folder / "shop.py").write_text(RUNNING)
    yield folder
    for pid in _pids(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _meanwhile(*steps: Callable[[], object]) -> threading.Thread:
    """Run the steps beside the supervisor, then ask it to stop, in any case."""

    def go() -> None:
        try:
            for step in steps:
                step()
        finally:
            # Where the supervisor ended before its time, the signal would end these tests.
            if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
                os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=go)
    thread.start()
    return thread


def test_one_process_until_a_signal(works: Path) -> None:
    """SIGTERM stops it in good order, with code 0."""
    program = [sys.executable, "-m", "anymq.cli", "run", "shop:app"]
    with subprocess.Popen(program, cwd=works) as process:
        try:
            _wait_for(lambda: bool(_pids(works)))
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()

    assert _pids(works, "stopped") == {process.pid}


def test_several_processes(
    works: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead one is replaced; a signal stops all, each in good order."""
    monkeypatch.setattr("anymq.cli.supervisor._STARTED_AFTER_S", 0.0)
    killed: list[int] = []

    def kill_one() -> None:
        killed.append(min(_pids(works)))
        os.kill(killed[0], signal.SIGKILL)

    beside = _meanwhile(
        lambda: _wait_for(lambda: len(_pids(works)) == 2),
        kill_one,
        lambda: _wait_for(lambda: len(_pids(works)) == 3),
    )
    code = Supervisor(["run", "shop:app"], processes=2).run()
    beside.join(LIMIT_S)

    assert code == 0
    assert len(_pids(works, "stopped")) == 2
    assert _pids(works) == set(killed)
    assert "ended with code -9; starting another" in capfd.readouterr().err


def test_processes_get_the_plugins(works: Path, run: Run) -> None:
    """A backend that is not installed is every process's."""
    (works / "mine.py").write_text(MARS)
    (works / "shop.py").write_text(RUNNING.replace("memory://", "mars://"))
    beside = _meanwhile(lambda: _wait_for(lambda: len(_pids(works)) == 2))

    result = run("--plugin", "mine.py", "run", "shop:app", "--processes", "2")
    beside.join(LIMIT_S)

    assert result.code == 0
    assert len(_pids(works, "stopped")) == 2


def test_a_process_that_cannot_start(works: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """C01: no half-started process; the cause is said, and the code is the child's."""
    code = Supervisor(["run", "shop:nothing"], processes=2).run()

    assert code == 2
    assert "there is no 'nothing'" in capfd.readouterr().err


def test_command_with_processes(works: Path, run: Run) -> None:
    """The command's code is the supervisor's."""
    assert run("run", "shop:nothing", "--processes", "2").code == 2


def test_a_process_that_crashes_at_once(works: Path) -> None:
    """Starting it again would not help, whatever its code."""
    (works / "shop.py").write_text("import os\nos._exit(7)\n")

    assert Supervisor(["run", "shop:app"]).run() == 7


def test_reload(works: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A change replaces the process; a broken file waits for the next change."""
    shop = works / "shop.py"
    errors: list[str] = []

    def wait_for_error(text: str) -> None:
        def seen() -> bool:
            errors.append(capfd.readouterr().err)
            return text in "".join(errors)

        _wait_for(seen)

    beside = _meanwhile(
        lambda: _wait_for(lambda: len(_pids(works)) == 1),
        lambda: shop.write_text(RUNNING + "# changed\n"),
        lambda: _wait_for(lambda: len(_pids(works, "stopped")) == len(_pids(works)) == 1),
        lambda: shop.write_text("def broken(:\n"),
        lambda: wait_for_error("waiting for a change"),
        lambda: shop.write_text(RUNNING),
        lambda: _wait_for(lambda: len(_pids(works)) == 1),
    )
    code = Supervisor(["run", "shop:app"], reload=True, folder=works).run()
    beside.join(LIMIT_S)

    assert code == 0
    assert "SyntaxError" in "".join(errors)
    assert "code changed, starting anew" in "".join(errors)
    assert len(_pids(works, "stopped")) == 3


def test_code_stamps(tmp_path: Path) -> None:
    """Python files only; hidden and foreign folders are left out, as are files that vanish."""
    for name in ("a.py", "b.txt", ".hidden/c.py", "x/__pycache__/d.py", "x/e.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gone.py").symlink_to("nowhere")

    assert {path.name for path in code_stamps(tmp_path)} == {"a.py", "e.py", "shop.py"}


def test_interrupting_the_terminal(works: Path) -> None:
    """Handlers of the process are as before when the supervisor is done."""
    before = signal.getsignal(signal.SIGINT)

    Supervisor(["run", "shop:nothing"]).run()

    assert signal.getsignal(signal.SIGINT) is before
