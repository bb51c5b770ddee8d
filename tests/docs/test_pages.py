"""What the pages of the documentation show, works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

__all__: list[str] = []

DOCS = Path(__file__).resolve().parents[2] / "docs"
PROGRAM = re.compile(r"^```python\n(.*?)^```\n\nIt prints:\n\n```text\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!\w+:)([^)#]+)")
PROGRAMS = [
    pytest.param(source, output, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, (source, output) in enumerate(PROGRAM.findall(page.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize(("source", "output"), PROGRAMS)
def test_every_program_prints_what_its_page_says(source: str, output: str, tmp_path: Path) -> None:
    """Run as a reader would, in an empty folder, with warnings as errors."""
    script = tmp_path / "example.py"
    script.write_text(source, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")


def test_the_pages_show_programs() -> None:
    """Nothing above passes for want of anything to run."""
    assert len(PROGRAMS) >= 2


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there."""
    targets = LINK.findall(page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []
