"""tox passes over an option that it does not know; our check does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import ROOT

CHECK = ROOT / ".ci" / "check_tox.py"
TIMEOUT_S = 50


def _check(config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, CHECK, config],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_tox_knows_every_option() -> None:
    """No option of tox.ini is misspelt."""
    done = _check(ROOT / "tox.ini")

    assert (done.returncode, done.stdout) == (0, "")


def test_a_misspelt_option_is_caught(tmp_path: Path) -> None:
    """In the head of the file and in an environment alike."""
    text = (ROOT / "tox.ini").read_text()
    config = tmp_path / "tox.ini"
    config.write_text(text.replace("skip_missing", "skio_missing").replace("pass_env", "pas_env"))

    done = _check(config)

    assert done.returncode == 1
    assert "skio_missing_interpreters" in done.stdout
    assert "pas_env" in done.stdout
