"""The decisions are numbered without gaps, and all listed."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "adr"


def test_every_decision_is_listed() -> None:
    """The table names each file once, in the order of the numbers."""
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (FOLDER / "README.md").read_text())
    files = sorted(path.name for path in FOLDER.glob("[0-9]*.md"))

    assert listed == files


def test_no_number_is_taken_twice() -> None:
    """Numbers count up from 1."""
    numbers = [int(path.name[:4]) for path in sorted(FOLDER.glob("[0-9]*.md"))]

    assert numbers == list(range(1, len(numbers) + 1))
