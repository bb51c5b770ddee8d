"""What the README shows, works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
TIMEOUT_S = 30


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language, in the order of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def run(source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program as a reader would: in an empty folder, with warnings as errors."""
    script = folder / "example.py"
    script.write_text(source, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


PROGRAMS = list(zip(blocks("python"), blocks("text"), strict=True))


@pytest.mark.parametrize(("source", "output"), PROGRAMS)
def test_every_program_prints_what_the_page_says(source: str, output: str, tmp_path: Path) -> None:
    """Each program is followed by its output, and that is what it prints."""
    done = run(source, tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")


def test_there_is_a_program() -> None:
    """Nothing above passes for want of anything to run."""
    assert len(blocks("python")) == 1


def test_a_broken_program_is_noticed(tmp_path: Path) -> None:
    """The way programs are run shows their failures."""
    done = run("from anymq import NoSuchName", tmp_path)

    assert done.returncode == 1
    assert "NoSuchName" in done.stderr


def test_every_command_is_a_target() -> None:
    """The commands that the page names exist in the Makefile."""
    commands = re.findall(r"^make ([a-z-]+)", "\n".join(blocks("sh")), re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert commands == ["serve", "test"]
    assert set(commands) <= set(targets)


def test_every_link_leads_somewhere() -> None:
    """Links inside the repository point to files that are there."""
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
