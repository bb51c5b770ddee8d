"""Which tests of a parallel session stay in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scheduling import group_of

ROOT = Path(__file__).parents[3]
TESTS = """
import json, os, time
from pathlib import Path
import pytest

@pytest.mark.server("redis")
@pytest.mark.parametrize("number", range(12))
def test_with_a_server(number):
    Path(f"with-{number}.json").write_text(json.dumps(os.getpid()))

@pytest.mark.exclusive
def test_alone():
    Path("alone.json").write_text(json.dumps(time.time()))

@pytest.mark.parametrize("number", range(12))
def test_without(number):
    Path(f"without-{number}.json").write_text(json.dumps(time.time()))
"""


@pytest.mark.server("redis")
def test_the_tests_of_a_server_stay_in_one_process(tmp_path: Path) -> None:
    """They count what it has; and who runs alone does so at the end."""
    (tmp_path / "test_some.py").write_text(TESTS)

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "tests.conftest"),
            *("-c", ROOT / "pyproject.toml", "--rootdir", tmp_path, "test_some.py"),
        ],
        cwd=tmp_path,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert "25 passed" in done.stdout, done.stdout + done.stderr
    found = list(tmp_path.glob("with-*.json"))
    assert len(found) == 12
    assert len({json.loads(path.read_text()) for path in found}) == 1
    begun = [json.loads(path.read_text()) for path in tmp_path.glob("without-*.json")]
    assert len(begun) == 12
    # The last of the others may be handed out together with it, to another process.
    assert json.loads((tmp_path / "alone.json").read_text()) > sorted(begun)[8]


@pytest.mark.parametrize(
    ("needs", "group"),
    [
        (set(), ""),
        ({"kafka"}, ""),
        ({"kafka", "postgres"}, ""),
        ({"redis"}, "redis"),
        ({"redis", "kafka"}, "kafka-redis"),
    ],
)
def test_others_go_to_whoever_is_free(needs: set[str], group: str) -> None:
    """Where a test sees only what is its own."""
    assert group_of(needs) == group
    assert group_of(needs, alone=True) == "alone"


def _environment(folder: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    lock = str(folder / "exclusive.lock")
    return {**kept, "PYTHONPATH": str(ROOT), "ANYMQ_TEST_EXCLUSIVE_LOCK": lock}
