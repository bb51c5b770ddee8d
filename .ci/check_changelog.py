"""Fail on a changelog fragment that towncrier would pass over, or that does not speak to users."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

__all__ = ["complaints", "main"]

KEPT = {"README.md", ".gitkeep"}


def complaints(folder: Path, *, types: frozenset[str]) -> list[str]:
    """Return one line per fault, in the order of the names; empty if every fragment is right."""
    pattern = re.compile(rf"(\d+|\+[\w-]+)\.({'|'.join(sorted(types))})(\.\d+)?\.md")
    found = []
    for path in sorted(folder.iterdir()):
        if path.name in KEPT:
            continue
        if not pattern.fullmatch(path.name):
            found.append(
                f"{path}: not named ISSUE.TYPE.md or +WORD.TYPE.md (types: {sorted(types)})"
            )
        elif not path.read_text().strip().endswith("."):
            found.append(f"{path}: not a full sentence")
    return found


def main() -> int:
    """Check changelog.d beside ./pyproject.toml; return the exit status."""
    settings = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["towncrier"]
    types = frozenset(kind["directory"] for kind in settings["type"])
    found = complaints(Path(settings["directory"]), types=types)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
