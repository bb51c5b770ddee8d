"""Which tests of a parallel session stay in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = """
import json, os
from pathlib import Path
import pytest

@pytest.mark.server("redis")
@pytest.mark.parametrize("number", range(12))
def test_with_a_server(number):
    Path(f"with-{number}.json").write_text(json.dumps(os.getpid()))

@pytest.mark.parametrize("number", range(12))
def test_without(number):
    Path(f"without-{number}.json").write_text(json.dumps(os.getpid()))
"""


@pytest.mark.server("redis")
def test_the_tests_of_a_server_stay_in_one_process(tmp_path: Path) -> None:
    """They may break it; the others go to whoever is free."""
    (tmp_path / "test_some.py").write_text(TESTS)

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "tests.conftest"),
            *("-c", ROOT / "pyproject.toml", "--rootdir", tmp_path, "test_some.py"),
        ],
        cwd=tmp_path,
        env={**_environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert "24 passed" in done.stdout, done.stdout + done.stderr
    assert len(_processes(tmp_path, "with")) == 1
    assert len(_processes(tmp_path, "without")) == 2


def _processes(folder: Path, kind: str) -> set[int]:
    found = list(folder.glob(f"{kind}-*.json"))
    assert len(found) == 12
    return {json.loads(path.read_text()) for path in found}


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
